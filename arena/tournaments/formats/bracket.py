"""Single elimination: who loses is out, and the losers of the semifinals play for third place. Pure.

Seeds stand so that the best two can meet only in the final; where the bracket is not full, the best
seeds have a bye. A draw, or a match that could not be finished, is played once more; after that the
better seed goes on. Who withdraws loses what is not yet decided.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from arena.states import Outcome
from arena.tournaments.formats.field import Field, Meeting, Placing, placing

GAMES_PER_TIE = 2
THIRD_PLACE_SLOT = 1  # of the last round, whose slot 0 is the final
THIRD_PLACE_POINTS = 0.5  # puts its winner before its loser, and behind both of the final


@dataclass(frozen=True)
class Tie:
    """A place of the bracket. Until `is_known`, who meets there depends on earlier ones."""

    round: int
    slot: int
    first: int | None  # None and known: nobody, so the other has a bye
    second: int | None
    is_known: bool
    games: tuple[Meeting, ...]
    is_decided: bool
    winner: int | None

    @property
    def loser(self) -> int | None:
        return self.second if self.winner == self.first else self.first


def round_count(entrants: int) -> int:
    """How many rounds it takes until one is left."""
    return max(1, (entrants - 1).bit_length())


def seeds_in_order(size: int) -> list[int]:
    """The first round from top to bottom: the seeds of neighbours add up to size + 1."""
    order = [1]
    while len(order) < size:
        whole = 2 * len(order) + 1
        order = [each for seed in order for each in (seed, whole - seed)]
    return order


def ties(field: Field) -> list[Tie]:
    """Every place of the bracket, round by round; the one for third place comes last."""
    last = round_count(field.entrants)
    order = seeds_in_order(2**last)
    known = [seed if seed <= field.entrants else None for seed in order]
    tie = _Table(field)
    current = [
        tie.decided(1, slot, known[2 * slot], known[2 * slot + 1], is_known=True)
        for slot in range(len(known) // 2)
    ]
    result = list(current)
    semifinals = current
    for number in range(2, last + 1):
        semifinals = current
        current = [
            tie.decided(
                number,
                slot,
                current[2 * slot].winner,
                current[2 * slot + 1].winner,
                is_known=current[2 * slot].is_decided and current[2 * slot + 1].is_decided,
            )
            for slot in range(len(current) // 2)
        ]
        result += current
    if last > 1:
        are_decided = all(each.is_decided for each in semifinals)
        losers = [each.loser if each.is_decided else None for each in semifinals]
        result.append(
            tie.decided(last, THIRD_PLACE_SLOT, losers[0], losers[1], is_known=are_decided)
        )
    return result


def next_meetings(field: Field, *, is_open: bool) -> tuple[Meeting, ...]:
    """What can be played now; nothing once the window has closed."""
    return tuple(_missing(field)) if is_open else ()


def placings(field: Field) -> tuple[Placing, ...]:
    """By rounds survived, then the match for third place, then the seed."""
    points = dict.fromkeys(field.seeds, 0.0)
    last = round_count(field.entrants)
    for each in ties(field):
        if each.is_decided and each.winner is not None:
            is_for_third = (each.round, each.slot) == (last, THIRD_PLACE_SLOT)
            points[each.winner] += THIRD_PLACE_POINTS if is_for_third else 1
    best_first = sorted(field.seeds, key=lambda seed: (-points[seed], seed))
    return tuple(
        replace(placing(field, seed, points=points[seed]), place=place)
        for place, seed in enumerate(best_first, start=1)
    )


def _missing(field: Field) -> Iterator[Meeting]:
    for each in ties(field):
        is_waiting = any(game.outcome == Outcome.OPEN for game in each.games)
        if each.is_known and not each.is_decided and not is_waiting:
            assert each.first is not None, "a bye is decided at once"
            yield Meeting(each.round, each.slot, each.first, each.second)


class _Table:
    """Decides ties by what was played in them."""

    def __init__(self, field: Field) -> None:
        self._withdrawn = field.withdrawn
        self._games: dict[tuple[int, int], list[Meeting]] = {}
        for meeting in field.meetings:
            self._games.setdefault((meeting.round, meeting.slot), []).append(meeting)

    def decided(
        self, number: int, slot: int, first: int | None, second: int | None, *, is_known: bool
    ) -> Tie:
        games = tuple(self._games.get((number, slot), ()))
        tie = Tie(number, slot, first, second, is_known, games, is_decided=False, winner=None)
        if not is_known:
            return tie
        if first is None or second is None:
            return replace(tie, is_decided=True, winner=first or second)
        if any(game.outcome == Outcome.OPEN for game in games):
            return tie
        winner = next((game.winner for game in games if game.winner), None)
        if winner is None and {first, second} & self._withdrawn:
            winner = min({first, second} - self._withdrawn, default=min(first, second))
        if winner is None and len(games) >= GAMES_PER_TIE:
            winner = min(first, second)
        return replace(tie, is_decided=winner is not None, winner=winner)
