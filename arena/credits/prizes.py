"""How a pool is shared. PURE: integers in, integers out, and no credit is lost."""

from collections.abc import Sequence


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
