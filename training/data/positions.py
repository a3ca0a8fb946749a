"""Pairs from episodes: two moves in one position that differ in value.

A seat's turn is compared with other answers to exactly the same decision, of this match or of
earlier ones of the Space. The Space's judges that need no model value both moves in the seat's own
position, as they do in practice: code knows what a move is worth, and a coin teaches nothing.
"""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import islice

from django.db.models import Q

from agents.models import Engine
from arena.environments.base import Environment, Task
from arena.matches.judge_tools import build_tools
from arena.matches.judging import panel_of
from arena.matches.panels import PanelJudge, judge_answers
from arena.models import Completion, CompletionStatus, MatchStatus, Round, Space
from judges.models import JudgeKind
from training.data.pairs import MIN_CHOSEN_SCORE, MIN_MARGIN
from training.models import Pair
from training.states import PairSource

MAX_PAIRS_PER_EPISODE = 4  # for each agent
MAX_COMPARED = 16  # answers to the same decision, the newest first
# Of judges that need no model: every turn of an episode is put before them.
QUICK_KINDS = frozenset({JudgeKind.CODE, JudgeKind.COIN})


def asked_task(own: Completion, one: Round) -> Task:
    """What this answer of the round was asked: the round's task, or a position of its episode."""
    task = Task.from_json(one.task)
    if not one.is_episode:
        return task
    # The first message is the agent's own prompt.
    return Task(kind=task.kind, prompt=own.messages[1]["content"], data=own.asked, split=task.split)


def position_pairs(one: Round, space: Space, environment: Environment) -> list[Pair]:
    """The clearest pairs of each learning agent from its turns in this round."""
    chairs = panel_of(tuple((chair["judge"], chair["weight"]) for chair in space.panel))
    panel = [judge for judge in chairs if judge.kind in QUICK_KINDS and judge.weight > 0]
    if not panel:
        return []
    turns = (
        Completion.objects.filter(
            _comparable(),
            round=one,
            seat__agent__engine=Engine.MODEL,
        )
        .exclude(asked_key="")
        .select_related("seat")
    )
    found: dict[int, list[Pair]] = {}
    for own in turns.order_by("id"):
        pairs = found.setdefault(own.seat.agent_id, [])
        pairs += _pairs_of(own, one, space, environment, panel)
    return [
        pair
        for pairs in found.values()
        for pair in islice(sorted(pairs, key=lambda pair: -pair.margin), MAX_PAIRS_PER_EPISODE)
    ]


def _pairs_of(
    own: Completion,
    one: Round,
    space: Space,
    environment: Environment,
    panel: Sequence[PanelJudge],
) -> Iterable[Pair]:
    """At most one pair: with the best of the others if it is better, or else with the worst."""
    task = asked_task(own, one)
    others = list(
        Completion.objects.filter(
            _comparable(),
            asked_key=own.asked_key,
            round__match__space=space,
            round__match__status=MatchStatus.SETTLED,
        )
        .exclude(text=own.text)
        .order_by("-id")[:MAX_COMPARED]
    )
    texts = {answer.pk: answer.text for answer in (own, *others)}
    _, verdict = asyncio.run(judge_answers(panel, environment, task, texts, build_tools()))
    if verdict is None:
        return
    values = verdict.scores
    value = values[own.pk]
    best = max(others, key=lambda other: (values[other.pk], other.pk), default=own)
    worst = min(others, key=lambda other: (values[other.pk], -other.pk), default=own)
    for chosen, rejected, margin, source in (
        (best, own, values[best.pk] - value, PairSource.OWN_REJECTED),
        (own, worst, value - values[worst.pk], PairSource.OWN_CHOSEN),
    ):
        is_good = values[chosen.pk] > MIN_CHOSEN_SCORE
        if margin >= MIN_MARGIN and is_good and not chosen.is_cut:
            yield Pair(
                agent_id=own.seat.agent_id,
                space=space,
                round=one,
                chosen=chosen,
                rejected=rejected,
                source=source,
                margin=margin,
                agreement=verdict.agreement,
            )
            return


def _comparable() -> Q:
    """Answers whose words are there to learn from."""
    return Q(status=CompletionStatus.OK, seat__agent__owner__leaving_since=None)
