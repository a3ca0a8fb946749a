"""How a pool is shared. PURE: no credit is made or lost, and equal matches are paid equally.

Why these rules: docs/decisions/prizes.md
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from arena.states import PrizeRule

_POINTS = 1_000_000  # a score of 1 in whole numbers: scores have 6 decimals


@dataclass(frozen=True)
class Payout:
    """What each seat gets and what the arena keeps: together exactly the stakes."""

    prizes: dict[int, int]
    rake_credits: int


def payout(
    rule: PrizeRule,
    *,
    stakes: Mapping[int, int],
    ranking: Sequence[Sequence[int]],
    scores: Mapping[int, float],
    rake_percent: int,
    percents: Sequence[int],
) -> Payout:
    """Share the stakes of the seats that compete, by the Space's rule.

    `ranking` has the seats with a stake, best first, tied ones together; `scores` are mean scores
    in [0, 1] of all seats that compete; `percents` are those of the places, for that rule only.
    """
    if not stakes:
        return Payout({}, 0)
    pool = sum(stakes.values())
    points = {seat: round(score * _POINTS) for seat, score in scores.items()}
    match rule:
        case PrizeRule.WINNER | PrizeRule.PLACES:
            rake = rake_of(pool, percent=rake_percent)
            shares = (100,) if rule is PrizeRule.WINNER else percents
            return Payout(prizes(ranking, pot_credits=pool - rake, percents=shares), rake)
        case PrizeRule.SCORE:
            rake = rake_of(pool, percent=rake_percent)
            weights = {seat: points[seat] for seat in stakes}
            return Payout(_in_proportion(pool - rake, weights, ranking), rake)
        case PrizeRule.DUEL:
            # What changes hands is the losers' stakes; between seats that tie, nothing does.
            losers = [seat for group in ranking[1:] for seat in group]
            lost = sum(stakes[seat] for seat in losers)
            rake = rake_of(lost, percent=rake_percent)
            won = _in_proportion(lost - rake, {seat: stakes[seat] for seat in ranking[0]}, ranking)
            paid = {seat: stakes[seat] + credits for seat, credits in won.items()}
            return Payout(dict.fromkeys(losers, 0) | paid, rake)
        case PrizeRule.COOPERATIVE:
            reached = pool * sum(points.values()) // (_POINTS * len(points))
            rake = rake_of(pool - reached, percent=rake_percent)
            return Payout(_in_proportion(pool - rake, stakes, ranking), rake)
        case _:
            assert_never(rule)


def rake_of(pool_credits: int, *, percent: int) -> int:
    """The arena's share, rounded down in the players' favour."""
    return pool_credits * percent // 100


def prizes(
    ranking: Sequence[Sequence[int]], *, pot_credits: int, percents: Sequence[int]
) -> dict[int, int]:
    """Share the pot by rank: {seat: credits}; the sum is exactly the pot.

    `ranking` lists seats best first, tied ones together. Tied seats pool the percentages of the
    places they take and share them evenly. Credits left over from rounding go one at a time to
    the best-placed seats, lower seat numbers first.
    """
    seats = [seat for group in ranking for seat in group]
    assert seats, "somebody played"
    assert len(seats) == len(set(seats)), "each seat has one place"
    assert sum(percents) == 100, "percentages share the whole pot"
    assert min(percents) >= 0, "nobody pays for a place"
    # Fewer seats than places: the seats share the last places' percentages in proportion.
    places = list(percents[: len(seats)])
    places += [0] * (len(seats) - len(places))
    whole = sum(places)
    if whole == 0:
        places, whole = [1] * len(seats), len(seats)
    result: dict[int, int] = {}
    place = 0
    for group in ranking:
        share = sum(places[place : place + len(group)])
        for seat in group:
            result[seat] = pot_credits * share // (whole * len(group))
        place += len(group)
    paid_places = [seat for group in ranking for seat in sorted(group) if result[seat]] or seats
    left = pot_credits - sum(result.values())
    for index in range(left):
        result[paid_places[index % len(paid_places)]] += 1
    return result


def _in_proportion(
    credits: int, weights: Mapping[int, int], ranking: Sequence[Sequence[int]]
) -> dict[int, int]:
    """Share by weight, evenly without any; what rounding leaves goes to the best-placed, one each."""
    if not any(weights.values()):
        weights = dict.fromkeys(weights, 1)
    whole = sum(weights.values())
    result = {seat: credits * weight // whole for seat, weight in weights.items()}
    paid = [seat for group in ranking for seat in sorted(group) if weights.get(seat)]
    for seat in paid[: credits - sum(result.values())]:
        result[seat] += 1
    return result
