"""The formats by name: what is played next, who stands where, and whether it is over. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from arena.states import TournamentFormat
from arena.tournaments.formats import arena_style, bracket, swiss
from arena.tournaments.formats.field import Field, Meeting, Placing


class NextMeetings(Protocol):
    def __call__(self, field: Field, *, is_open: bool) -> tuple[Meeting, ...]:
        """What can be played now; nothing once the window has closed."""


@dataclass(frozen=True)
class Rules:
    """One format."""

    next_meetings: NextMeetings
    placings: Callable[[Field], tuple[Placing, ...]]

    def is_over(self, field: Field, *, is_open: bool) -> bool:
        return not field.playing and not self.next_meetings(field, is_open=is_open)


RULES = {
    TournamentFormat.ARENA: Rules(arena_style.next_meetings, arena_style.placings),
    TournamentFormat.BRACKET: Rules(bracket.next_meetings, bracket.placings),
    TournamentFormat.SWISS: Rules(swiss.next_meetings, swiss.placings),
}
