"""Template tags of episodes: positions, and the seats that play them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import template

from arena.queries import Cell, MatchSnapshot, RoundView, SeatView
from frontend import positions

register = template.Library()


@dataclass(frozen=True)
class EpisodeSeat:
    """One seat of an episode."""

    seat: SeatView
    cell: Cell
    marks: str  # on the board; "" if it has none
    tries: int  # that are recorded


@register.simple_tag
def drawn(view: Mapping[str, Any], order: Sequence[int]) -> positions.Drawn | None:
    """A stored view, ready to be drawn."""
    return positions.drawn(view, order)


@register.simple_tag
def seat_lines(
    round: RoundView, match: MatchSnapshot, position: positions.Drawn | None
) -> tuple[EpisodeSeat, ...]:
    """The seats in the order in which they move."""
    episode = round.episode
    assert episode is not None, "questions have no order"
    marks = position.owners if isinstance(position, positions.Board) else {}
    return tuple(
        EpisodeSeat(
            match.seats[index],
            round.cells[index],
            marks.get(index, ""),
            episode.tries.get(index, 0),
        )
        for index in episode.order
    )
