"""A run's dataset as files: what the trainer reads, where it comes from, and the manifest.

The trainer gets token ids as they were sampled or served; see training.trainers.job. Exports
are texts, for people and other trainers; see training.data.provenance.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib import metadata
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any

from django.conf import settings
from django.db.models import QuerySet

from agents.canonical import digest_of
from agents.errors import Refused
from agents.files import write_atomically
from agents.inference import processor
from agents.lineage import within
from arena import access
from arena.environments import ENVIRONMENTS
from training.configs.configs import LearningConfig
from training.data.curation import HeldOutTasks, Limits, PairCandidate, curate_pairs, noise_of
from training.data.provenance import example, own_answer, provenance
from training.data.tokens import ChatTokens, read_chat_tokens
from training.gate.sitting import LOOKS, draw_tasks
from training.methods import METHODS, config_from_json, method_of
from training.methods.examples import GROUPS, PAIRS, AnswerExample, GroupExample, PairExample
from training.models import Pair, TrainingRun
from training.practice.practised import practised_groups, practised_texts
from training.practice.rehearsal import rehearsal_facts
from training.runs.attempts import run_folder
from training.runs.unlearned import unlearned_pairs

DATASET_FILE = "dataset.jsonl"
PROVENANCE_FILE = "provenance.jsonl"
MANIFEST_FILE = "manifest.json"
MANIFEST_FORMAT = 4
PACKAGES = ("bitsandbytes", "numpy", "peft", "safetensors", "tokenizers", "torch", "transformers")
EXPORT_CHUNK = 200
# Of a run's places so many pairs are looked at: older ones replace those that are left out.
CANDIDATES_PER_PLACE = 4

JSON = dict[str, Any]


@dataclass(frozen=True)
class _Dataset:
    """Examples with their sources, in one order, and what the manifest says of them."""

    examples: Sequence[PairExample | GroupExample]
    origins: Sequence[JSON]  # one an example: provenance
    noun: str  # the manifest's key of the examples' digests: "pairs" or "groups"
    ids: Sequence[int]  # one an example: of its pair, or of its group's round
    facts: JSON  # more for the manifest


def write_dataset(run: TrainingRun) -> JSON:
    """Write the run's dataset, its provenance and its manifest; return the manifest.

    The same run gives the same files, whoever writes them and however often. Raises Refused
    when there is nothing to learn from.
    """
    folder = run_folder(run.pk)
    folder.mkdir(parents=True, exist_ok=True)
    config = config_from_json(run.config)
    make = _group_dataset if method_of(config).examples is GROUPS else _pair_dataset
    dataset = make(run, config)
    lines = [_line(asdict(one)) for one in dataset.examples]
    write_atomically(folder / DATASET_FILE, "".join(lines))
    write_atomically(folder / PROVENANCE_FILE, "".join(_line(one) for one in dataset.origins))
    manifest = _manifest(run, dataset, lines)
    write_atomically(folder / MANIFEST_FILE, json.dumps(manifest, indent=2, sort_keys=True))
    return manifest


def manifest_digest(manifest: Mapping[str, Any]) -> str:
    """SHA-256 of the manifest's canonical JSON; up to format 3 that had no spaces."""
    if manifest["format"] > 3:
        return digest_of(manifest)
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def held_out_tasks(run: TrainingRun) -> HeldOutTasks:
    """The tasks of its own Space that the gate may ask about this run."""
    tasks = draw_tasks(
        ENVIRONMENTS[run.space.environment],
        rng=Random(f"gate:{run.pk}"),  # as training.gate.evaluate seeds it
        count=LOOKS * settings.ENV.gate_tasks,
    )
    return HeldOutTasks(task.prompt for task in tasks)


def export_pairs(agent_id: int, *, viewer: int) -> Iterator[JSON]:
    """All pairs of the viewer's agent, oldest first, as TRL's DPOTrainer reads them.

    The columns beyond prompt, chosen and rejected say where a pair comes from; their types are
    the same in every row, and the trainer leaves them alone. Raises NotAvailable at once.
    """
    agent = access.agent_for_owner(viewer, agent_id)
    rows = _with_content(Pair.objects.filter(agent=agent)).order_by("id")
    return (example(pair) | provenance(pair) for pair in rows.iterator(chunk_size=EXPORT_CHUNK))


def export_groups(agent_id: int, *, viewer: int) -> Iterator[JSON]:
    """All judged groups that the viewer's agent has practised, oldest first, of every run.

    `prompt` and `answers` are messages, each answer with its reward and its source. Raises
    NotAvailable at once.
    """
    practising = [name for name, method in METHODS.items() if method.examples is GROUPS]
    agent = access.agent_for_owner(viewer, agent_id)
    runs = TrainingRun.objects.filter(agent=agent, method__in=practising)
    return chain.from_iterable(
        practised_texts(run, run_folder(run.pk))
        for run in runs.select_related("space", "parent_version").order_by("id")
    )


def json_lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """The rows as JSON Lines, each with its line break."""
    for row in rows:
        yield _line(row).encode()


def unlearned_rounds(run: TrainingRun) -> list[int]:
    """Rounds behind the run's pairs, newest first: the agent answered them all."""
    rounds = _pairs_of(run).order_by("-id").values_list("round_id", flat=True)
    return list(dict.fromkeys(rounds))


def _pairs_of(run: TrainingRun) -> QuerySet[Pair]:
    return unlearned_pairs(run.parent_version, run.space_id).filter(id__lte=run.last_pair_id)


def _pair_dataset(run: TrainingRun, config: LearningConfig) -> _Dataset:
    """The newest pairs that pass curation, `run.pair_count` at most, oldest first."""
    newest = _with_content(_pairs_of(run)).order_by("-id")[: CANDIDATES_PER_PLACE * run.pair_count]
    pairs: dict[int, Pair] = {pair.pk: pair for pair in newest}
    if not pairs:
        raise Refused("There are no pairs to learn from.")
    tokens = read_chat_tokens(Path(run.agent.base_model.path))
    fresh = within(run.parent_version, config.max_staleness)
    candidates = [_candidate(pair, run, tokens, fresh=fresh) for pair in pairs.values()]
    limits = Limits(places=run.pair_count, max_length=config.max_length)
    curated = curate_pairs(candidates, limits=limits, held_out=held_out_tasks(run))
    _refuse_one_sided(curated.kept, curated.left_out)
    kept = [pairs[one.pair_id] for one in curated.kept]
    return _Dataset(
        examples=[
            PairExample(
                prompt_ids=list(one.prompt_ids),
                chosen_ids=list(one.chosen_ids),
                rejected_ids=list(one.rejected_ids),
                noise=noise_of(pair.agreement),
            )
            for one, pair in zip(curated.kept, kept, strict=True)
        ],
        origins=[provenance(pair) for pair in kept],
        noun=PAIRS.noun,
        ids=[pair.pk for pair in kept],
        facts={
            "left_out": dict(curated.left_out),
            "sources": dict(Counter(pair.source for pair in kept)),
        },
    )


def _group_dataset(run: TrainingRun, config: LearningConfig) -> _Dataset:
    """The practised groups that tell better answers from worse, oldest task first."""
    tokens = read_chat_tokens(Path(run.agent.base_model.path))
    size = method_of(config).practice(config)
    assert size is not None, "groups come of practice"
    found = practised_groups(run, run_folder(run.pk), tokens=tokens, max_length=config.max_length)
    if not found.groups:
        raise Refused(f"No group of answers is left to learn from; {_told(found.left_out)}.")
    answers = [answer for one in found.groups for answer in one.group.answers]
    return _Dataset(
        examples=[
            GroupExample(
                prompt_ids=list(one.group.prompt_ids),
                answers=[
                    AnswerExample(
                        ids=list(answer.ids),
                        reward=answer.reward,
                        logprobs=None if answer.logprobs is None else list(answer.logprobs),
                    )
                    for answer in one.group.answers
                ],
            )
            for one in found.groups
        ],
        origins=[one.origin for one in found.groups],
        noun=GROUPS.noun,
        ids=[one.round_id for one in found.groups],
        facts={
            "left_out": dict(found.left_out),
            "answers_left_out": dict(found.answers_left_out),
            "share": size.share,
            "sources": dict(Counter(answer.member.source.value for answer in answers)),
        },
    )


def _candidate(
    pair: Pair, run: TrainingRun, tokens: ChatTokens, *, fresh: Container[int]
) -> PairCandidate:
    own = own_answer(pair)
    opponent = pair.rejected if own is pair.chosen else pair.chosen
    chosen, rejected = (
        tokens.canonical(one.token_ids, is_finished=one.finish_reason != "length")
        if one.token_ids
        else []
        for one in (pair.chosen, pair.rejected)
    )
    return PairCandidate(
        pair_id=pair.pk,
        task=pair.round.task["prompt"],
        task_key=pair.round.task_key,
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
    )


def _refuse_one_sided(pairs: Sequence[PairCandidate], left_out: Mapping[str, int]) -> None:
    if not pairs:
        raise Refused(f"No pair is left to learn from; {_told(left_out)}.")
    if len(pairs) > 1 and len({tuple(pair.chosen_ids) for pair in pairs}) == 1:
        raise Refused("Every pair prefers one and the same answer: only that would be learned.")


def _told(left_out: Mapping[str, int]) -> str:
    reasons = [f"{count} {reason.replace('_', ' ')}" for reason, count in left_out.items()]
    return f"left out: {', '.join(reasons) or 'none'}"


def _with_content(rows: Any) -> Any:
    return rows.select_related(
        "space",
        "round",
        "chosen__seat__agent__owner",
        "chosen__version",
        "rejected__seat__agent__owner",
        "rejected__version",
    ).prefetch_related("round__votes__judge")


def _line(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"


def _manifest(run: TrainingRun, dataset: _Dataset, lines: Sequence[str]) -> JSON:
    parent = run.parent_version
    return {
        "format": MANIFEST_FORMAT,
        "run": run.pk,
        "method": run.method,
        "config": config_from_json(run.config).as_json(),
        "agent": run.agent_id,
        "space": run.space.slug,
        "parent": {
            "version": parent.number,
            "adapter": parent.adapter.digest if parent.adapter else "",
        },
        "base": {
            "served_name": run.agent.base_model.served_name,
            "sha256": base_digest(Path(run.agent.base_model.path)),
        },
        dataset.noun: [
            {"id": one, "sha256": hashlib.sha256(line.encode()).hexdigest()}
            for one, line in zip(dataset.ids, lines, strict=True)
        ],
        **dataset.facts,
        "rehearsal": rehearsal_facts(run),
        "dataset_sha256": hashlib.sha256("".join(lines).encode()).hexdigest(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
        # Adapters are equal bit for bit only within one class of machine and thread count.
        "threads": available_threads(),
        "processor": processor.described(),
    }


def available_threads() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0))


def base_digest(folder: Path) -> str:
    """SHA-256 over the base's weights, in the order of their file names."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise Refused("The base model's folder holds no weights.")
    stamp = tuple((file.name, file.stat().st_mtime_ns, file.stat().st_size) for file in files)
    return _base_digest(folder, stamp)


@lru_cache(maxsize=8)
def _base_digest(folder: Path, stamp: tuple[tuple[str, int, int], ...]) -> str:
    whole = hashlib.sha256()
    for name, _, _ in stamp:
        with (folder / name).open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()
