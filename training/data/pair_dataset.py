"""The dataset of a run that learns from preference pairs, and the export of an agent's pairs.

Exports are texts, for people and other trainers; see training.data.provenance.
"""

from collections import Counter
from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from typing import Any

from django.db.models import QuerySet

from agents.errors import Refused
from agents.lineage import within
from agents.models import Engine
from arena import access
from arena.environments.base import Task
from arena.models import Round
from arena.review.labels import overruled_pairs
from training.data.curation import Limits, PairCandidate, curate_pairs, noise_of
from training.data.dataset import Dataset, by_id, held_out_tasks, in_words
from training.data.positions import asked_task
from training.data.provenance import example, own_answer, provenance, sampled
from training.data.tokens import ChatTokens, read_chat_tokens
from training.methods.examples import PAIRS, PairExample
from training.models import Pair, TrainingRun
from training.runs.spec import RunSpec
from training.runs.unlearned import TAUGHT_BY_CODE, unlearned_pairs

EXPORT_PAIRS = 200  # read at once
# How many pairs are considered per place: older ones replace those that are left out.
CANDIDATES_PER_PLACE = 4

JSON = dict[str, Any]


def pair_dataset(spec: RunSpec) -> Dataset:
    """The newest pairs that pass curation, at most `run.pair_count`, oldest first.

    Raises Refused if there is nothing to learn from.
    """
    run, config = spec.run, spec.config
    pairs = _newest_first(run)
    if not pairs:
        raise Refused("There are no pairs to learn from.")
    tokens = read_chat_tokens(spec.base_folder)
    fresh = within(spec.parent, config.max_staleness)
    rounds = {one.round_id for pair in pairs.values() for one in (pair.chosen, pair.rejected)}
    overruled = overruled_pairs(rounds)
    candidates = [
        _candidate(
            pair,
            run,
            tokens,
            fresh=fresh,
            is_overruled=_is_overruled(pair, overruled),
        )
        for pair in pairs.values()
    ]
    limits = Limits(
        places=run.pair_count, max_length=config.max_length, coded_share=config.coded_share
    )
    curated = curate_pairs(candidates, limits=limits, held_out=held_out_tasks(run))
    _refuse_one_sided(curated.kept, curated.left_out)
    kept = [pairs[one.pair_id] for one in curated.kept]
    return Dataset(
        kind=PAIRS,
        examples=[
            PairExample(
                prompt_ids=list(one.prompt_ids),
                chosen_ids=list(one.chosen_ids),
                rejected_ids=list(one.rejected_ids),
                noise=noise_of(pair.agreement),
                chosen_allowed_token_ids=tokens.allowed(
                    one.chosen_ids, pair.chosen.allowed_token_ids
                ),
                rejected_allowed_token_ids=tokens.allowed(
                    one.rejected_ids, pair.rejected.allowed_token_ids
                ),
            )
            for one, pair in zip(curated.kept, kept, strict=True)
        ],
        origins=[provenance(pair) for pair in kept],
        ids=[pair.pk for pair in kept],
        facts={
            "left_out": dict(curated.left_out),
            "sources": dict(Counter(pair.source for pair in kept)),
            "coded": {
                "answers": sum(one.is_coded for one in curated.kept),
                "of": len(curated.kept),
            },
            "lengths": _lengths(curated.kept, cut=sum(pair.rejected.is_cut for pair in kept)),
        },
    )


def _newest_first(run: TrainingRun) -> dict[int, Pair]:
    """By id, the pairs that curation considers: of coded seats and of others, as many of each."""
    newest = _with_content(_pairs_of(run)).order_by("-id")
    most = CANDIDATES_PER_PLACE * run.pair_count
    found = [*newest.filter(TAUGHT_BY_CODE)[:most], *newest.exclude(TAUGHT_BY_CODE)[:most]]
    return {pair.pk: pair for pair in sorted(found, key=lambda pair: -pair.pk)}


def export_pairs(agent_id: int, *, viewer: int) -> Iterator[JSON]:
    """All pairs of the viewer's agent with two texts, oldest first, in the format of TRL's DPOTrainer.

    A pair with an answer of a person who has left has only one. A pair whose better answer was no
    legal move is not among them.

    The columns other than prompt, chosen and rejected say where a pair comes from; their types are
    the same in every row, and the trainer ignores them. Raises NotAvailable at once.
    """
    agent = access.agent_for_owner(viewer, agent_id)
    whole = Pair.objects.filter(
        agent=agent,
        chosen__problem="",
        chosen__seat__agent__owner__leaving_since=None,
        rejected__seat__agent__owner__leaving_since=None,
    )
    rows = _with_content(whole)
    return (
        example(pair) | provenance(pair) | sampled(pair)
        for pair in by_id(rows, page_rows=EXPORT_PAIRS)
    )


def unlearned_rounds(run: TrainingRun) -> list[int]:
    """Rounds of the run's pairs, newest first; the agent answered them all."""
    rounds = _pairs_of(run).order_by("-id").values_list("round_id", flat=True)
    return list(dict.fromkeys(rounds))


def asked_tasks(run: TrainingRun, rounds: Collection[Round]) -> dict[int, Task]:
    """By round, what it asked the run's agent: of an episode, the position of its clearest pair."""
    tasks = {one.pk: Task.from_json(one.task) for one in rounds if not one.is_episode}
    episodes = [one for one in rounds if one.is_episode]
    if not episodes:
        return tasks
    pairs = _pairs_of(run).filter(round__in=episodes)
    answers = pairs.select_related("round", "chosen", "rejected")
    for pair in answers.order_by("margin", "-id"):
        tasks[pair.round_id] = asked_task(own_answer(pair), pair.round)
    return tasks


def _pairs_of(run: TrainingRun) -> QuerySet[Pair]:
    return unlearned_pairs(run.parent_version, [run.space_id]).filter(id__lte=run.last_pair_id)


def _candidate(
    pair: Pair, run: TrainingRun, tokens: ChatTokens, *, fresh: Container[int], is_overruled: bool
) -> PairCandidate:
    own = own_answer(pair)
    task = asked_task(own, pair.round)
    opponent = pair.rejected if own is pair.chosen else pair.chosen
    chosen, rejected = (
        tokens.canonical(one.token_ids, is_finished=not one.is_cut) if one.token_ids else []
        for one in (pair.chosen, pair.rejected)
    )
    return PairCandidate(
        pair_id=pair.pk,
        task=task.prompt,
        task_key=task.key,
        prompt_ids=own.prompt_token_ids,
        chosen_ids=chosen,
        rejected_ids=rejected,
        chosen_text=pair.chosen.text,
        rejected_text=pair.rejected.text,
        is_fresh=own.version_id in fresh,
        opponent_id=opponent.seat.agent_id,
        is_against_house=opponent.seat.agent.owner.is_house,
        is_same_base=opponent.seat.agent.base_model_id == run.agent.base_model_id,
        is_plain=tokens.is_plain(chosen),
        is_erased=opponent.seat.agent.owner.leaving_since is not None,
        is_coded=pair.chosen.seat.agent.engine == Engine.CODE,
        is_overruled=is_overruled,
        is_illegal=bool(pair.chosen.problem),
    )


def _is_overruled(pair: Pair, orders: Mapping[int, Collection[tuple[int, int]]]) -> bool:
    """Whether one of these (better, worse) seats, by round, says the opposite of the pair."""
    chosen, rejected = pair.chosen, pair.rejected
    if chosen.round_id == rejected.round_id:
        return (rejected.seat.index, chosen.seat.index) in orders.get(chosen.round_id, ())
    # Speeches of two debates: one of them is no longer what its verdict made of it.
    return any(worse == chosen.seat.index for _, worse in orders.get(chosen.round_id, ())) or any(
        better == rejected.seat.index for better, _ in orders.get(rejected.round_id, ())
    )


def _lengths(pairs: Sequence[PairCandidate], *, cut: int) -> JSON:
    """How many pairs prefer the shorter answer, in tokens, and how many a finished one to one cut off."""
    shorter = sum(len(pair.chosen_ids) < len(pair.rejected_ids) for pair in pairs)
    return {"shorter_chosen": shorter, "cut_rejected": cut}


def _refuse_one_sided(pairs: Sequence[PairCandidate], left_out: Mapping[str, int]) -> None:
    if not pairs:
        raise Refused(f"No pair is left to learn from; {in_words(left_out)}.")
    if len(pairs) > 1 and len({tuple(pair.chosen_ids) for pair in pairs}) == 1:
        raise Refused("Every pair prefers the same answer, so only that answer would be learned.")


def _with_content(rows: Any) -> Any:
    return rows.select_related(
        "space",
        "round",
        "chosen__seat__agent__owner",
        "chosen__version",
        "rejected__seat__agent__owner",
        "rejected__version",
    ).prefetch_related("round__votes__judge")
