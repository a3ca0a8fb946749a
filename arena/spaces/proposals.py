"""Proposes how hard tasks should be for the agents that sit in a match. Pure.

A task teaches where answers to it differ: if each of four answers is right with probability p, then
two of them are with probability 6 p^2 (1-p)^2, which is greatest at one half. So three pools share
the tasks out, each over all difficulties:

    easy      proportional to p^3 (1-p)      three of four right: confidence
    frontier  proportional to p^2 (1-p)^2    two of four: what the field learns most from
    hard      proportional to p (1-p)^3      one of four: discovery

A pool's share is fixed, so none is ever starved, and a higher rating never makes tasks easier.

p follows a Rasch model with ratings as abilities, as in Klinkenberg, Straatemeier and van der Maas,
"Computer adaptive practice of maths ability using a new item response model" (2011). Preferring
p (1-p): Tzannetos et al., "Proximal Curriculum for RL Agents" (2023), and Rutherford et al., "No
Regrets" (2024). What was not asked lately is forgotten and comes back, as staleness does it in Jiang
et al., "Prioritized Level Replay" (2021). The figures: docs/decisions/curriculum.md
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, log1p, sqrt

from arena.spaces.ratings import BETA, Skill

# (solvers of four, share of the tasks): easy, frontier, hard
POOLS = ((3, 0.2), (2, 0.6), (1, 0.2))
POOL_NAMES = ("easy", "frontier", "hard")
GROUP = 4
HALF_LIFE_ANSWERS = 120  # of a Space: after so many, an answer counts half
PRIOR_ANSWERS = 1.0  # of a newcomer, half right: what is known of a difficulty before any
RATING_SCALE = sqrt(2) * BETA  # in units of mu: so much more skill multiplies the odds by e
WEIGHT_PLACES = 6


@dataclass(frozen=True)
class Tally:
    """How one difficulty went lately: sums over answers, of which older ones count less.

    An answer is a seat's in one round: of a game, all its moves.
    """

    asked: float = 0.0
    solved: float = 0.0
    rating_sum: float = 0.0  # mu of those who answered


@dataclass(frozen=True)
class GradedAnswer:
    """One answer to a task of a known difficulty, or one seat's play of a game's opening."""

    difficulty: int
    mu: float  # of the agent's rating in the Space, when it answered
    solved: float  # in [0, 1]: 1 if a question's check passed; what a game pays the seat


def noted(tallies: Sequence[Tally], answers: Sequence[GradedAnswer]) -> tuple[Tally, ...]:
    """The tallies after more answers; every difficulty forgets, whether it was asked or not."""
    kept = 0.5 ** (len(answers) / HALF_LIFE_ANSWERS)
    return tuple(
        _sum_of(tally, kept, [answer for answer in answers if answer.difficulty == difficulty])
        for difficulty, tally in enumerate(tallies)
    )


def solve_rates(tallies: Sequence[Tally], mu: float) -> tuple[float, ...]:
    """By difficulty, the probability that an agent of this rating solves a task; never rising."""
    return tuple(exp(-_softplus(-odds)) for odds in _log_odds(tallies, mu))


def difficulty_weights(tallies: Sequence[Tally], mu: float) -> tuple[float, ...]:
    """By difficulty, how often a field of this mean rating gets its tasks; together 1, rounded."""
    weights = [0.0] * len(tallies)
    for pool in pools(tallies, mu):
        for difficulty, weight in enumerate(pool):
            weights[difficulty] += weight
    # Rounded, because events carry them.
    return tuple(round(weight, WEIGHT_PLACES) for weight in weights)


def pools(tallies: Sequence[Tally], mu: float) -> list[list[float]]:
    """The easy, the frontier and the hard pool: by difficulty, its part of the pool's share."""
    log_odds, shared = _log_odds(tallies, mu), []
    for solvers, share in POOLS:
        logs = [
            -solvers * _softplus(-odds) - (GROUP - solvers) * _softplus(odds) for odds in log_odds
        ]
        best = max(logs)  # subtracted, so that no pool vanishes as a whole
        pool = [exp(each - best) for each in logs]
        shared.append([share * weight / sum(pool) for weight in pool])
    return shared


def mean_rating(tallies: Sequence[Tally]) -> float:
    """The mean rating of those who answered lately; a newcomer's, if nobody did."""
    asked = sum(tally.asked for tally in tallies) + PRIOR_ANSWERS
    return (sum(tally.rating_sum for tally in tallies) + PRIOR_ANSWERS * Skill().mu) / asked


def _sum_of(tally: Tally, kept: float, answers: Sequence[GradedAnswer]) -> Tally:
    return Tally(
        asked=tally.asked * kept + len(answers),
        solved=tally.solved * kept + sum(answer.solved for answer in answers),
        rating_sum=tally.rating_sum * kept + sum(answer.mu for answer in answers),
    )


def _log_odds(tallies: Sequence[Tally], mu: float) -> list[float]:
    """By difficulty, the log-odds that an agent of this rating solves a task."""
    half = PRIOR_ANSWERS / 2
    weights = [tally.asked + PRIOR_ANSWERS for tally in tallies]
    easiness = []
    for tally, weight in zip(tallies, weights, strict=True):
        rating = (tally.rating_sum + PRIOR_ANSWERS * Skill().mu) / weight
        odds = (tally.solved + half) / (tally.asked - tally.solved + half)
        easiness.append(log(odds) - rating / RATING_SCALE)
    return [each + mu / RATING_SCALE for each in _never_rising(easiness, weights)]


def _never_rising(values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The nearest values in weighted squares that never rise: pool adjacent violators.

    What is harder is not solved more often, so a difficulty that was hardly asked borrows from its
    neighbours.
    """
    blocks: list[tuple[float, float, int]] = []  # (mean, weight, how many)
    for value, weight in zip(values, weights, strict=True):
        block = (value, weight, 1)
        while blocks and blocks[-1][0] < block[0]:
            mean, other, count = blocks.pop()
            whole = other + block[1]
            block = ((mean * other + block[0] * block[1]) / whole, whole, count + block[2])
        blocks.append(block)
    return [mean for mean, _, count in blocks for _ in range(count)]


def _softplus(x: float) -> float:
    """log(1 + e^x), also where e^x overflows."""
    return max(x, 0.0) + log1p(exp(-abs(x)))
