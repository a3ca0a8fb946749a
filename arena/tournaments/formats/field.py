"""The entrants of a tournament and their meetings so far. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from arena.states import Outcome


@dataclass(frozen=True)
class Meeting:
    """Two entrants, by their seeds, who play one match; without a second, the first has a bye."""

    round: int  # from 1; in arena style all are 1
    slot: int  # its place in the round; in arena style its number from 0
    first: int
    second: int | None
    outcome: Outcome = Outcome.OPEN

    @property
    def winner(self) -> int | None:
        if self.outcome == Outcome.FIRST:
            return self.first
        return self.second if self.outcome == Outcome.SECOND else None

    def opponent_of(self, seed: int) -> int | None:
        return self.second if seed == self.first else self.first


@dataclass(frozen=True)
class Field:
    """Entrants are their seeds: 1 has the best rating, `entrants` the lowest."""

    entrants: int
    meetings: tuple[Meeting, ...] = ()  # in the order in which they were made
    withdrawn: frozenset[int] = frozenset()

    @property
    def seeds(self) -> range:
        return range(1, self.entrants + 1)

    @property
    def playing(self) -> frozenset[int]:
        """Those in a meeting without an outcome."""
        return frozenset(
            seed
            for meeting in self.meetings
            if meeting.outcome == Outcome.OPEN
            for seed in (meeting.first, meeting.second)
            if seed is not None
        )

    @cached_property
    def _of(self) -> dict[int, tuple[Meeting, ...]]:
        of: dict[int, list[Meeting]] = {seed: [] for seed in self.seeds}
        for meeting in self.meetings:
            of[meeting.first].append(meeting)
            if meeting.second is not None:
                of[meeting.second].append(meeting)
        return {seed: tuple(found) for seed, found in of.items()}

    def meetings_of(self, seed: int) -> tuple[Meeting, ...]:
        return self._of[seed]

    def results_of(self, seed: int) -> Iterator[tuple[Meeting, Outcome]]:
        """The entrant's ended meetings, as seen from its side: FIRST means that it won."""
        turned = {Outcome.FIRST: Outcome.SECOND, Outcome.SECOND: Outcome.FIRST}
        for meeting in self._of[seed]:
            if meeting.outcome != Outcome.OPEN:
                own = meeting.first == seed
                outcome = meeting.outcome
                yield meeting, outcome if own else turned.get(outcome, outcome)


@dataclass(frozen=True)
class Placing:
    """Where an entrant stands. Places are 1, 2, 3, ...: the last tie-break is the seed."""

    seed: int
    place: int
    points: float
    wins: int
    draws: int
    losses: int
    streak: int = 0  # wins in a row up to now, in arena style


def placing(field: Field, seed: int, *, points: float, streak: int = 0) -> Placing:
    """The entrant's line, without its place."""
    # A bye counts in points, but nobody was beaten.
    outcomes = [
        outcome for meeting, outcome in field.results_of(seed) if meeting.second is not None
    ]
    return Placing(
        seed=seed,
        place=0,
        points=points,
        wins=outcomes.count(Outcome.FIRST),
        draws=outcomes.count(Outcome.DRAW),
        losses=outcomes.count(Outcome.SECOND),
        streak=streak,
    )
