"""PURE: combines ballots into one verdict.

Who is better follows from each judge's own order, in which a judge counts by its weight, however
widely it spreads its scores; how high the scores lie follows from the scores that were given.
Why: docs/decisions/panel-ranking.md
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb, fsum, sqrt

from judges.ranking.bradley_terry import expected_shares
from judges.ranking.krippendorff import alpha_of
from judges.transcript import Ballot, Comparisons

# Scores closer than this are a tie. Model scores wobble in the third decimal between batches.
TIE_TOLERANCE = 0.005
# A judge whose scores have a smaller standard deviation than this has less of a voice in proportion:
# what it says may be that wobble.
QUIET_SPREAD = 0.02

Voting = Sequence[tuple[float, Ballot]]


@dataclass(frozen=True)
class PanelVerdict:
    """What the panel thinks of one round."""

    scores: Mapping[int, float]  # seat -> [0, 1], higher is better
    ranking: tuple[tuple[int, ...], ...]  # best first; seats in one inner tuple are tied
    agreement: float  # share of the compared pairs of seats on which all voters agree, [0, 1]
    # Krippendorff's, of the ranks that the voters give, at most 1; None: there is nothing to compare
    alpha: float | None = None
    is_split: bool = False  # the judges agree too little: all seats are tied


def combine(ballots: Voting) -> PanelVerdict | None:
    """The panel's verdict on a round; None if nobody voted, which makes the round void.

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
    scores = _scores(voting)
    votes = [given for _, given in voting]
    alpha = alpha_of([_shares(given) for given in votes])
    return PanelVerdict(scores, rank(scores), _agreement(votes), alpha)


def tied_below(verdict: PanelVerdict, least_agreement: float) -> PanelVerdict:
    """The verdict, or a tie of all seats if its alpha is lower; 0: any agreement is enough."""
    if not least_agreement or verdict.alpha is None or verdict.alpha >= least_agreement:
        return verdict
    mean = _mean(verdict.scores.values())
    scores = dict.fromkeys(verdict.scores, mean)
    return replace(verdict, scores=scores, ranking=(tuple(sorted(scores)),), is_split=True)


def _scores(voting: Voting) -> dict[int, float]:
    seats = sorted(voting[0][1].scores)
    compares = any(given.comparisons is not None for _, given in voting)
    if len(voting) == 1 and _has_said_all(voting[0][1]):
        return dict(voting[0][1].scores)
    opinions = _compared_opinions(voting) if compares else _scored_opinions(voting)
    level = _weighted((weight, _mean(given.scores.values())) for weight, given in voting)
    spread = _spread(voting, [given.scores for _, given in voting])
    raw = {seat: level + spread * opinions[seat] for seat in seats}
    if compares:  # scores that count won comparisons bound nothing: they depend on whom one met
        return {seat: min(1.0, max(0.0, raw[seat])) for seat in seats}
    # No seat gets more than its best vote or less than its worst, so that what all refuse stays
    # refused; and none passes by this another one that the panel prefers.
    votes = {seat: [given.scores[seat] for _, given in voting] for seat in seats}
    scores = {}
    for seat in seats:
        own = opinions[seat]
        lowest = max(min(votes[other]) for other in seats if opinions[other] <= own)
        highest = min(max(votes[other]) for other in seats if opinions[other] >= own)
        scores[seat] = min(highest, max(lowest, raw[seat]))
    return scores


def _scored_opinions(voting: Voting) -> dict[int, float]:
    """What the panel thinks of each seat, in standard deviations of a judge's scores in this round."""
    standard = [(weight, _standardised(given.scores)) for weight, given in voting]
    return {
        seat: _weighted((weight, given[seat]) for weight, given in standard)
        for seat in voting[0][1].scores
    }


def _compared_opinions(voting: Voting) -> dict[int, float]:
    """The same, where a judge compared pairs: by Bradley-Terry over the preferences of all judges."""
    seats = sorted(voting[0][1].scores)
    compared: dict[tuple[int, int], tuple[float, float]] = {}
    for pair in combinations(seats, 2):
        said = [
            (weight, preferred)
            for weight, given in voting
            if (preferred := preference(given.scores, given.comparisons, *pair)) is not None
        ]
        if said:
            one = fsum(weight * (1 + preferred) / 2 for weight, preferred in said)
            other = fsum(weight * (1 - preferred) / 2 for weight, preferred in said)
            compared[pair] = one, other
    shares = expected_shares(seats, compared, weight=fsum(weight for weight, _ in voting))
    middle = _mean(shares.values())
    spread = _spread(voting, [_shares(given) for _, given in voting])
    return {seat: (share - middle) / spread if spread else 0.0 for seat, share in shares.items()}


def _has_said_all(ballot: Ballot) -> bool:
    return ballot.comparisons is None or len(ballot.comparisons) == comb(len(ballot.scores), 2)


def _shares(ballot: Ballot) -> dict[int, float]:
    """By seat, the share of its compared pairs that it wins, a tie as half; if it has any."""
    shares: dict[int, float] = {}
    for seat in ballot.scores:
        said = [
            preferred
            for other in ballot.scores
            if other != seat
            and (preferred := preference(ballot.scores, ballot.comparisons, seat, other))
            is not None
        ]
        if said:
            shares[seat] = (1 + sum(said) / len(said)) / 2
    return shares


def _spread(voting: Voting, values: Sequence[Mapping[int, float]]) -> float:
    """Weighted mean of the judges' standard deviations; who sees no difference has no say in it."""
    spreads = [_deviation(each) for each in values]
    voices = [
        weight * min(1.0, spread / QUIET_SPREAD)
        for (weight, _), spread in zip(voting, spreads, strict=True)
    ]
    return _weighted(zip(voices, spreads, strict=True)) if any(voices) else 0.0


def _standardised(scores: Mapping[int, float]) -> dict[int, float]:
    mean, spread = _mean(scores.values()), max(QUIET_SPREAD, _deviation(scores))
    return {seat: (score - mean) / spread for seat, score in scores.items()}


def _deviation(values: Mapping[int, float]) -> float:
    if not values:
        return 0.0
    mean = _mean(values.values())
    return sqrt(_mean([(value - mean) ** 2 for value in values.values()]))


def _mean(values: Collection[float]) -> float:
    # fsum rounds once, so that the order of seats and judges cannot matter.
    return fsum(values) / len(values)


def _weighted(values: Iterable[tuple[float, float]]) -> float:
    """Mean of (weight, value)."""
    given = list(values)
    return fsum(weight * value for weight, value in given) / fsum(weight for weight, _ in given)


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
