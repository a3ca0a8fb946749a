"""Ratings with uncertainty. Pure.

Plackett-Luce updates of Weng & Lin, "A Bayesian Approximation Method for Online Ranking"
(JMLR 12, 2011, algorithm 4) with the constants of the openskill library; mu starts at 25, sigma at
25/3. A tie counts as the mean over its strict orders: docs/decisions/rating-ties.md
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb, exp, sqrt

from arena.states import INTERVAL_SIGMAS

BETA = 25.0 / 6  # how much one performance varies, in units of mu
TAU = 25.0 / 300  # added before each match, so that no rating ever freezes
KAPPA = 1e-4  # the least share of its variance that a match leaves


@dataclass(frozen=True)
class Skill:
    """A normal belief about skill."""

    mu: float = 25.0
    sigma: float = 25.0 / 3

    @property
    def low(self) -> float:
        """The lower end of the 95% interval."""
        return self.mu - INTERVAL_SIGMAS * self.sigma

    @property
    def high(self) -> float:
        """The upper end of the 95% interval."""
        return self.mu + INTERVAL_SIGMAS * self.sigma


def rank_bands(skills: Sequence[Skill]) -> list[int]:
    """Ranks of beliefs that are sorted by `low`, best first: those that may be equal share one.

    1 and the number of beliefs whose interval lies above the whole of this one's, as LMArena ranks
    (Chiang et al., "Chatbot Arena", 2024, section 5). All of these come before it:
    docs/decisions/rating-scale.md
    """
    negated = [-skill.low for skill in skills]
    assert negated == sorted(negated), "sorted by the lower end"
    return [1 + bisect_left(negated, -skill.high) for skill in skills]


def updated(skills: Mapping[int, Skill], ranking: Sequence[Sequence[int]]) -> dict[int, Skill]:
    """New beliefs per seat after one match; `ranking` lists seats best first, tied ones together.

    Mean and variance are those averaged over all strict orders that the ranking allows, each
    equally likely. Without ties, the result is openskill's.
    """
    assert sorted(seat for group in ranking for seat in group) == sorted(skills), "each is ranked"
    if len(skills) < 2:
        return dict(skills)
    variances = {seat: skill.sigma**2 + TAU**2 for seat, skill in skills.items()}
    scale = sqrt(sum(variance + BETA**2 for variance in variances.values()))
    # Relative to the best, so that no power overflows.
    best = max(skill.mu for skill in skills.values())
    strengths = {seat: exp((skill.mu - best) / scale) for seat, skill in skills.items()}
    gained = dict.fromkeys(skills, 1.0)  # omega of the paper, before its factor
    learned = dict.fromkeys(skills, 0.0)  # delta of the paper, before its factor
    for remaining, probability in _stages(ranking):
        whole = sum(strengths[seat] for seat in remaining)
        for seat in remaining:
            share = strengths[seat] / whole
            gained[seat] -= probability * share
            learned[seat] += probability * share * (1 - share)
    result = {}
    for seat, variance in variances.items():
        kept = 1 - variance**1.5 / scale**3 * learned[seat]
        result[seat] = Skill(
            mu=skills[seat].mu + variance / scale * gained[seat],
            sigma=sqrt(variance * max(kept, KAPPA)),
        )
    return result


def _stages(ranking: Sequence[Sequence[int]]) -> Iterator[tuple[list[int], float]]:
    """Seats that compete for one place, with the probability that exactly these do.

    Place after place, the best of the remaining seats is taken away. Within a tie, every subset of
    one size is equally likely to remain: of g tied seats, 2^g - 1 subsets in all.
    """
    for place, group in enumerate(ranking):
        behind = [seat for worse in ranking[place + 1 :] for seat in worse]
        for size in range(1, len(group) + 1):
            for tied in combinations(group, size):
                yield [*tied, *behind], 1 / comb(len(group), size)
