"""PURE: combines ballots into one verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import fsum

from judges.transcript import Ballot, Comparisons

# Scores closer than this are a tie. Model scores wobble in the third decimal between batches.
TIE_TOLERANCE = 0.005


@dataclass(frozen=True)
class PanelVerdict:
    """What the panel thinks of one round."""

    scores: Mapping[int, float]  # seat -> [0, 1], higher is better
    ranking: tuple[tuple[int, ...], ...]  # best first; seats in one inner tuple are tied
    agreement: float  # share of the compared pairs of seats on which all voters agree, [0, 1]


def combine(ballots: Sequence[tuple[float, Ballot]]) -> PanelVerdict | None:
    """Weighted mean of the ballots; None if nobody voted, which makes the round void.

    Takes (weight, ballot) in any order; the order never changes the verdict. Abstentions and
    weights of zero do not count. ValueError if two judges voted on different seats or a
    score is outside [0, 1]: `judges.call` lets no such ballot through.
    """
    voting = [(weight, ballot) for weight, ballot in ballots if weight > 0 and ballot.scores]
    if not voting:
        return None
    seats = sorted(voting[0][1].scores)
    for _, given in voting:
        if sorted(given.scores) != seats:
            raise ValueError("judges voted on different seats")
        if not all(0.0 <= score <= 1.0 for score in given.scores.values()):
            raise ValueError("a score is outside [0, 1]")
    total = fsum(weight for weight, _ in voting)
    scores = {
        # fsum rounds once, so that the order of the judges cannot matter; the quotient may
        # still pass 1 by one unit in the last place.
        seat: min(1.0, fsum(weight * given.scores[seat] for weight, given in voting) / total)
        for seat in seats
    }
    return PanelVerdict(scores, rank(scores), _agreement([given for _, given in voting]))


def rank(scores: Mapping[int, float]) -> tuple[tuple[int, ...], ...]:
    """Group seats by score, best first; a group holds the seats within the tolerance of its best."""
    groups: list[list[int]] = []
    best = 0.0
    for seat in sorted(scores, key=lambda seat: (-scores[seat], seat)):
        if groups and best - scores[seat] <= TIE_TOLERANCE:
            groups[-1].append(seat)
        else:
            groups.append([seat])
            best = scores[seat]
    return tuple(tuple(sorted(group)) for group in groups)


def places_of(ranking: Sequence[Sequence[int]]) -> dict[int, int]:
    """Each seat's place, from 1; tied seats share the better one."""
    places: dict[int, int] = {}
    for group in ranking:
        place = len(places) + 1
        places |= dict.fromkeys(group, place)
    return places


def _agreement(votes: Sequence[Ballot]) -> float:
    agreed = []
    for pair in combinations(sorted(votes[0].scores), 2):
        said = {preference(vote.scores, vote.comparisons, *pair) for vote in votes} - {None}
        if said:
            agreed.append(len(said) == 1)
    return sum(agreed) / len(agreed) if agreed else 1.0


def preference(
    scores: Mapping[int, float], comparisons: Comparisons | None, first: int, second: int
) -> int | None:
    """1 if a vote puts the first seat before the second, -1 if after it, 0 for a tie.

    None if the judge compares pairs and knows nothing of this one.
    """
    if comparisons is not None:
        if first > second:
            found = comparisons.get((second, first))
            return None if found is None else -found
        return comparisons.get((first, second))
    difference = scores[first] - scores[second]
    return 0 if abs(difference) <= TIE_TOLERANCE else (1 if difference > 0 else -1)
