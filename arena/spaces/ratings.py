"""Ratings with uncertainty. PURE.

Plackett-Luce updates of Weng & Lin, "A Bayesian Approximation Method for Online Ranking"
(JMLR 12, 2011), computed by the openskill library: mu starts at 25, sigma at 25/3. How it treats
ties: docs/decisions/rating-ties.md
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from openskill.models import PlackettLuce

_MODEL = PlackettLuce()


@dataclass(frozen=True)
class Skill:
    """A normal belief about skill."""

    mu: float = 25.0
    sigma: float = 25.0 / 3


def updated(skills: Mapping[int, Skill], ranking: Sequence[Sequence[int]]) -> dict[int, Skill]:
    """New beliefs per seat after one match; tied seats share a rank."""
    ranks = {seat: place for place, group in enumerate(ranking) for seat in group}
    assert set(ranks) == set(skills), "every seat is ranked"
    seats = sorted(skills)
    if len(seats) < 2:
        return dict(skills)
    teams = [[_MODEL.rating(mu=skills[seat].mu, sigma=skills[seat].sigma)] for seat in seats]
    result = _MODEL.rate(teams, ranks=[float(ranks[seat]) for seat in seats])
    return {
        seat: Skill(mu=float(team[0].mu), sigma=float(team[0].sigma))
        for seat, team in zip(seats, result, strict=True)
    }
