"""Pairs from episodes: two moves in one position that differ in value.

A seat's turn is compared with other answers to exactly the same decision, of this match or of
earlier ones of the Space. Where code is on the Space's panel, it values both moves in the seat's own
position. Elsewhere a move is worth what the panel gave its seat for that whole round, and an illegal
one is not compared: no judge saw it.
"""

from collections.abc import Iterable, Sequence
from itertools import islice

from django.db.models import QuerySet

from agents.models import Engine
from arena.environments.asking import moves_of
from arena.environments.base import Environment, Task
from arena.models import Completion, CompletionStatus, MatchStatus, Round, Space
from arena.panels.own_base import members_of
from judges.models import Judge, JudgeKind
from training.data.pairs import MIN_AGREEMENT, MIN_CHOSEN_SCORE, MIN_MARGIN, agreement
from training.data.votes import by_seat, votes_of
from training.models import Pair
from training.states import PairSource

# MIN_MARGIN is a panel's noise. A value by code has none, but beliefs and searches aren't exact, and in a
# game of many rounds a choice is a small part of the payoff: so less is enough where it is at least
# half of what the choice can change. Why: docs/decisions/position-margins.md
MIN_VALUE_MARGIN = 0.02
MIN_SHARE_OF_SPAN = 0.5  # of the best legal move's value minus the worst one's
MAX_VALUED_MOVES = 32  # of a position, for its span
MAX_PAIRS_PER_EPISODE = 4  # for each agent
MAX_COMPARED = 16  # answers to the same decision, the newest first


def asked_task(own: Completion, one: Round) -> Task:
    """What this answer of the round was asked: the round's task, or a position of its episode."""
    task = Task.from_json(one.task)
    if not one.is_episode:
        return task
    # The first message is the agent's own prompt.
    return Task(kind=task.kind, prompt=own.messages[1]["content"], data=own.asked, split=task.split)


def position_pairs(one: Round, space: Space, environment: Environment) -> list[Pair]:
    """The clearest pairs of each learning agent from its turns in this round."""
    chairs = [slug for slug, weight in members_of(space) if weight > 0]
    by_code = Judge.objects.filter(
        slug__in=chairs, kind=JudgeKind.CODE, quarantined_at=None
    ).exists()
    compared = _comparable(by_code=by_code).exclude(asked_key="")
    turns = compared.filter(round=one, seat__agent__engine=Engine.MODEL)
    found: dict[int, list[Pair]] = {}
    for own in turns.order_by("id"):
        pairs = found.setdefault(own.seat.agent_id, [])
        pairs += _pairs_of(own, one, space, environment if by_code else None)
    return [
        pair
        for pairs in found.values()
        for pair in islice(sorted(pairs, key=lambda pair: -pair.margin), MAX_PAIRS_PER_EPISODE)
    ]


def _pairs_of(
    own: Completion,
    one: Round,
    space: Space,
    environment: Environment | None,
) -> Iterable[Pair]:
    """At most one pair: with the best of the others if it is better, or else with the worst.

    `environment`: None if the rounds' verdicts value the moves.
    """
    task = asked_task(own, one)
    others = list(
        _comparable(by_code=environment is not None)
        .filter(
            asked_key=own.asked_key,
            round__match__space=space,
            round__match__status=MatchStatus.SETTLED,
            seat__is_practice=False,
            round__verdict__is_split=False,
        )
        .exclude(text=own.text)
        .order_by("-id")[:MAX_COMPARED]
    )
    values = _values([own, *others], task, environment)
    value = values[own.pk]
    best = max(others, key=lambda other: (values[other.pk], other.pk), default=own)
    worst = min(others, key=lambda other: (values[other.pk], -other.pk), default=own)
    for chosen, rejected, margin, source in (
        (best, own, values[best.pk] - value, PairSource.OWN_REJECTED),
        (own, worst, value - values[worst.pk], PairSource.OWN_CHOSEN),
    ):
        is_good = values[chosen.pk] > MIN_CHOSEN_SCORE and not (chosen.is_cut or chosen.problem)
        if not (is_good and _is_clear(margin, task, environment)):
            continue
        agreed = 1.0 if environment else _agreement(chosen, rejected)
        if agreed > MIN_AGREEMENT:
            yield Pair(
                agent_id=own.seat.agent_id,
                space=space,
                round=one,
                chosen=chosen,
                rejected=rejected,
                source=source,
                margin=margin,
                agreement=agreed,
            )
            return


def _is_clear(margin: float, task: Task, environment: Environment | None) -> bool:
    """Whether two moves of the task's position differ enough to teach."""
    if margin >= MIN_MARGIN or margin < MIN_VALUE_MARGIN or environment is None:
        return margin >= MIN_MARGIN
    moves = moves_of(environment, task)
    if not 0 < len(moves) <= MAX_VALUED_MOVES:
        return False
    values = [environment.score(task, move).value for move in moves]
    return margin >= MIN_SHARE_OF_SPAN * (max(values) - min(values))


def _values(
    answers: Sequence[Completion], task: Task, environment: Environment | None
) -> dict[int, float]:
    """By completion id."""
    if environment is None:
        return {one.pk: float(one.round.verdict.scores[str(one.seat.index)]) for one in answers}
    # Most say the same few moves, and a value may take a search.
    by_text = {text: environment.score(task, text).value for text in {one.text for one in answers}}
    return {one.pk: by_text[one.text] for one in answers}


def _agreement(chosen: Completion, rejected: Completion) -> float:
    """The smaller of two shares: of the chosen seat's panel for it, of the rejected one's against it.

    Each panel compared the seat with the others of its own round.
    """
    won = [(chosen.seat.index, other) for other in _others(chosen)]
    lost = [(other, rejected.seat.index) for other in _others(rejected)]
    return min(agreement(votes_of(chosen.round), won), agreement(votes_of(rejected.round), lost))


def _others(answer: Completion) -> list[int]:
    """The other seats of its round."""
    return [seat for seat in by_seat(answer.round.verdict.scores) if seat != answer.seat.index]


def _comparable(*, by_code: bool) -> QuerySet[Completion]:
    """Answers whose words are there to learn from, without what is long and not compared."""
    answers = Completion.objects.filter(
        status=CompletionStatus.OK, seat__agent__owner__leaving_since=None
    )
    if not by_code:
        answers = answers.filter(problem="").prefetch_related("round__votes")
    return answers.select_related("seat", "round__verdict").defer(
        "prompt_token_ids", "token_ids", "logprobs", "allowed_token_ids", "chunk_times"
    )
