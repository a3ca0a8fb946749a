"""Which tasks a match plays, drawn so that anybody can draw them again. Pure.

The random source of task n is seeded with SHA-256 of the canonical JSON of

    [secret, digest of the match's first event, n]

The secret was committed to before anybody was seated, and the first event names who sits where, so
neither the operator nor a player could choose the tasks. Why: docs/decisions/committed-tasks.md
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from agents.canonical import canonical_json, digest_of, text_digest
from arena.environments import ENVIRONMENTS
from arena.environments.base import EnvironmentFault, Split, Task
from arena.environments.episode import opening_number
from arena.matches.events import (
    Event,
    MatchCancelled,
    MatchSeated,
    MatchSettled,
    RoundStarted,
    decode,
    event_digest,
)


class CannotRedraw(Exception):
    """The transcript does not allow drawing its tasks again; the message is a sentence."""


@dataclass(frozen=True)
class TaskDraw:
    """What decides the tasks of one match."""

    seating: MatchSeated
    seated_digest: str  # of the match's first event
    secret: str

    def difficulty(self, number: int) -> int:
        """How hard task `number` is, from 0."""
        return self._begin(number)[1]

    def task(self, number: int) -> Task:
        """Task `number`, counted from 1: the same on every try."""
        rng, difficulty = self._begin(number)
        return ENVIRONMENTS[self.seating.environment].make_task(rng, Split.TRAIN, difficulty)

    def _begin(self, number: int) -> tuple[Random, int]:
        rng = Random(digest_of([self.secret, self.seated_digest, number]))
        weights = self.seating.difficulty_weights
        if not weights:
            return rng, 0
        return rng, rng.choices(range(len(weights)), weights)[0]


@dataclass(frozen=True)
class RedrawnTask:
    """A round's task as the match recorded it, and as it is drawn again."""

    round: int
    recorded_key: str
    drawn_key: str
    is_same: bool


def redrawn(match_id: int, records: Sequence[Mapping[str, Any]]) -> list[RedrawnTask]:
    """Every task of a match that is over, drawn again from its events.

    `records` are the events in order, each with `kind`, `payload`, `previous_digest` and `digest`.
    Raises CannotRedraw.
    """
    draw, events = revealed(match_id, records)
    if draw.seating.environment not in ENVIRONMENTS:
        raise CannotRedraw(f"There is no environment {draw.seating.environment!r} here.")
    try:
        return [_compared(event, draw) for event in events if isinstance(event, RoundStarted)]
    except EnvironmentFault as fault:
        raise CannotRedraw(str(fault)) from fault


def revealed(match_id: int, records: Sequence[Mapping[str, Any]]) -> tuple[TaskDraw, list[Event]]:
    """The draw of a match that is over, and its events, whose digests are right.

    Raises CannotRedraw.
    """
    events = list(_verified(match_id, records))
    seating, ending = events[0], events[-1]
    if not isinstance(seating, MatchSeated):
        raise CannotRedraw("The transcript does not begin with the seating.")
    if not seating.task_commitment:
        raise CannotRedraw("The match was seated before tasks were drawn from a commitment.")
    if not isinstance(ending, MatchSettled | MatchCancelled):
        raise CannotRedraw("The match is not over yet; its secret is revealed in its last event.")
    if text_digest(ending.task_secret) != seating.task_commitment:
        raise CannotRedraw("The revealed secret is not the one that the match committed to.")
    return TaskDraw(seating, records[0]["digest"], ending.task_secret), events


def _compared(event: RoundStarted, draw: TaskDraw) -> RedrawnTask:
    seats = len(draw.seating.players)
    drawn = draw.task(opening_number(event.round, seat_count=seats, turn_limit=event.turn_limit))
    is_same = canonical_json(drawn.as_json()) == canonical_json(event.task)
    return RedrawnTask(
        event.round, event.task_key, drawn.key, is_same and drawn.key == event.task_key
    )


def _verified(match_id: int, records: Sequence[Mapping[str, Any]]) -> Iterator[Event]:
    """The events of a chain whose digests are right."""
    previous = ""
    for seq, record in enumerate(records, start=1):
        try:
            kind, payload, stored = record["kind"], record["payload"], record["digest"]
            event = decode(kind, payload)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise CannotRedraw(f"Event {seq} cannot be read.") from None
        made = event_digest(previous, match_id=match_id, seq=seq, kind=kind, payload=payload)
        if made != stored:
            raise CannotRedraw(f"Event {seq} does not fit its digest: it has been changed.")
        previous = made
        yield event
    if not previous:
        raise CannotRedraw("The transcript is empty.")
