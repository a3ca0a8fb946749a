"""What a second ranking of a round changes in the first one. Pure."""

from collections.abc import Sequence
from itertools import permutations

from judges.panel import places_of

Ranking = Sequence[Sequence[int]]  # best first; seats in one inner sequence are tied


def reversed_pairs(before: Ranking, after: Ranking) -> list[tuple[int, int]]:
    """(better, worse) seats by the second ranking that the first one had the other way round.

    A tie that is made or broken reverses nothing: a tie says that judges could not tell.
    """
    first, second = places_of(before), places_of(after)
    return [
        (better, worse)
        for better, worse in permutations(sorted(first.keys() & second.keys()), 2)
        if second[better] < second[worse] and first[better] > first[worse]
    ]
