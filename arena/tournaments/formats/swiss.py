"""Swiss: in each round entrants meet others with as many points, and nobody twice. Pure.

A win or a bye brings one point; a draw, or a match that could not be finished, half a point. Within a
group of equal points the upper half meets the lower half; whoever is left over floats down. Of an odd
number, the lowest who had no bye yet gets it. When no round without a repeated meeting or a second bye
is left, the tournament is over. Places: points, the points of one's opponents (Buchholz), wins, seed.
"""

from collections.abc import Sequence
from dataclasses import replace

from arena.states import Outcome
from arena.tournaments.formats.field import Field, Meeting, Placing, placing
from arena.tournaments.formats.pairable import are_pairable

POINTS = {Outcome.FIRST: 1.0, Outcome.DRAW: 0.5, Outcome.VOID: 0.5, Outcome.SECOND: 0.0}


def round_count(entrants: int) -> int:
    """Rounds until at most one can have won all of them, and never more than opponents."""
    return max(1, (entrants - 1).bit_length())


def next_meetings(field: Field, *, is_open: bool) -> tuple[Meeting, ...]:
    """The next round once the last one has ended; nothing once the window has closed."""
    number = max((meeting.round for meeting in field.meetings), default=0) + 1
    if not is_open or field.playing or number > round_count(field.entrants):
        return ()
    return tuple(
        Meeting(number, slot, first, second, Outcome.FIRST if second is None else Outcome.OPEN)
        for slot, (first, second) in enumerate(_pairs(field))
    )


def placings(field: Field) -> tuple[Placing, ...]:
    """Best first, for what has ended so far."""
    points = _points(field)
    lines = [placing(field, seed, points=points[seed]) for seed in field.seeds]
    buchholz = {
        seed: sum(points[other] for other in _opponents(field, seed)) for seed in field.seeds
    }
    lines.sort(key=lambda line: (-line.points, -buchholz[line.seed], -line.wins, line.seed))
    return tuple(replace(line, place=place) for place, line in enumerate(lines, start=1))


def _points(field: Field) -> dict[int, float]:
    return {
        seed: sum(POINTS[outcome] for _, outcome in field.results_of(seed)) for seed in field.seeds
    }


def _opponents(field: Field, seed: int) -> set[int]:
    met = (meeting.opponent_of(seed) for meeting in field.meetings_of(seed))
    return {other for other in met if other is not None}


def _pairs(field: Field) -> list[tuple[int, int | None]]:
    """The next round, byes last; empty if there is none without a repeat."""
    points = _points(field)
    order = sorted(set(field.seeds) - field.withdrawn, key=lambda seed: (-points[seed], seed))
    others = {seed: set(order) - {seed} - _opponents(field, seed) for seed in order}
    if len(order) < 2:
        return []
    if len(order) % 2 == 0:
        return [*_paired(order, points, others)] if are_pairable(order, others) else []
    for resting in reversed(order):
        has_rested = any(each.second is None for each in field.meetings_of(resting))
        rest = [seed for seed in order if seed != resting]
        if not has_rested and are_pairable(rest, others):
            return [*_paired(rest, points, others), (resting, None)]
    return []


def _paired(
    order: Sequence[int], points: dict[int, float], others: dict[int, set[int]]
) -> list[tuple[int, int | None]]:
    """From the top down, each with the best fitting of those who leave the rest pairable."""
    pairs: list[tuple[int, int | None]] = []
    left = list(order)
    while left:
        first = left[0]
        group = [seed for seed in left if points[seed] == points[first]]
        half = len(group) // 2

        def misfit(seed: int, group: list[int] = group, half: int = half) -> tuple[float, int]:
            if seed in group:
                return 0.0, abs(group.index(seed) - half)
            return points[group[0]] - points[seed], seed

        for second in sorted(left[1:], key=misfit):
            rest = [seed for seed in left[1:] if seed != second]
            if second in others[first] and are_pairable(rest, others):
                pairs.append((first, second))
                left = rest
                break
        else:
            raise AssertionError("the caller has checked that all can be paired")
    return pairs
