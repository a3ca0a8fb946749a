"""Who of a panel judges a round, drawn so that anybody can draw it again. Pure.

The random source of a round is seeded with SHA-256 of the canonical JSON of

    ["panel", secret, digest of the match's first event, round, digests of the round's answers]

So nobody outside can know the judges before the match is over, and they are not fixed before the
last answer is there. Why: docs/decisions/panel-ranking.md
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from agents.canonical import digest_of
from arena.matches.events import CompletionRecorded, Event, PanelDrawn
from arena.matches.task_draws import TaskDraw, revealed


@dataclass(frozen=True)
class RedrawnPanel:
    """Who judged a round as the match recorded it, and as they are drawn again."""

    round: int
    recorded: tuple[str, ...]
    drawn: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        # Where nobody of the panel may vote, who stands in was not drawn.
        return self.recorded == self.drawn or not self.drawn


def drawn_panel(
    draw: TaskDraw, number: int, answers: Sequence[str], *, may_vote: Collection[str]
) -> PanelDrawn:
    """Who judges round `number`: the first of a random order of the panel who may vote.

    `answers` are the digests of the round's answers, in the order of seats and turns.
    """
    order = _order(draw, number, answers)
    judges = [slug for slug in order if slug in may_vote][: draw.seating.panel_size]
    is_full = len(judges) == draw.seating.panel_size
    asked = order[: order.index(judges[-1])] if is_full else order
    passed_over = [slug for slug in asked if slug not in may_vote]
    return PanelDrawn(number, tuple(judges), tuple(passed_over))


def redrawn_panels(match_id: int, records: Sequence[Mapping[str, Any]]) -> list[RedrawnPanel]:
    """Every draw of judges of a match that is over, from its events. Raises CannotRedraw."""
    draw, events = revealed(match_id, records)
    return [
        _redrawn(event, draw, sealed_answers(events, event.round))
        for event in events
        if isinstance(event, PanelDrawn)
    ]


def sealed_answers(events: Sequence[Event], number: int) -> list[str]:
    """Digests of the round's answers, in the order of seats and turns."""
    said = [e for e in events if isinstance(e, CompletionRecorded) and e.round == number]
    return [one.content_digest for one in sorted(said, key=lambda one: (one.seat, one.turn))]


def _redrawn(event: PanelDrawn, draw: TaskDraw, answers: Sequence[str]) -> RedrawnPanel:
    may_vote = {slug for slug, _ in draw.seating.panel} - set(event.passed_over)
    again = drawn_panel(draw, event.round, answers, may_vote=may_vote)
    return RedrawnPanel(event.round, event.judges, again.judges)


def _order(draw: TaskDraw, number: int, answers: Sequence[str]) -> list[str]:
    seed = digest_of(["panel", draw.secret, draw.seated_digest, number, list(answers)])
    order = [slug for slug, _ in draw.seating.panel]
    Random(seed).shuffle(order)
    return order
