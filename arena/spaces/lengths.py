"""How much the length of answers counts with a Space's judges, and ratings without it. Pure.

Bradley-Terry over pairs of seats with one more term, the relative difference of their mean lengths,
as in LMArena's style control ("Does style matter?", 2024): with it, an agent's strength is what is
left when its rival's answers are as long. docs/decisions/rating-scale.md
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import exp, log, sqrt

from arena.spaces.ratings import BETA

MAX_COMPARISONS = 2000  # of the newest matches; bounds the time of one fit
MIN_MATCHES = 30  # with fewer, the effect of length is a guess
SWEEPS = 40  # at most; far fewer until no step exceeds SMALL_STEP
SMALL_STEP = 0.005
PRIOR = 1 / 3.0**2  # precision of strengths and of the effect, around 0: what keeps both finite
POINTS = BETA * sqrt(2)  # of a rating, for one unit of strength
CLEAR = 3.84  # twice the gain in log-likelihood that chance reaches one time in twenty


@dataclass(frozen=True)
class LengthSeat:
    """A ranked seat of a match with the mean length of its answers in characters."""

    agent_id: int
    rank: int
    chars: float


@dataclass(frozen=True)
class LengthEffect:
    """What length is worth: log-odds for a relative difference of 1, and points by agent."""

    effect: float
    is_clear: bool  # more than chance explains
    shifts: Mapping[int, float]  # what to add to a rating to take length out
    match_count: int

    @property
    def share_of_longer(self) -> float:
        """How often, between equals, the answer that is twice as long comes first."""
        return _sigmoid(self.effect / 3)


@dataclass(frozen=True)
class _Comparison:
    first: int
    second: int
    result: float  # 1: the first is ranked higher, 0.5: tied
    longer: float  # (first - second) / (first + second), in [-1, 1]
    weight: float  # a match of k seats has k (k - 1) / 2 pairs, but tells no more than k - 1


def length_effect(matches: Sequence[Sequence[LengthSeat]]) -> LengthEffect | None:
    """From matches, newest first; None if too few have been measured."""
    comparisons: list[_Comparison] = []
    count = 0
    for seats in matches:
        pairs = _comparisons(seats)
        if len(comparisons) + len(pairs) > MAX_COMPARISONS:
            break
        comparisons += pairs
        count += 1
    if count < MIN_MATCHES:
        return None
    plain, _ = _fit(comparisons, has_effect=False)
    strengths, effect = _fit(comparisons, has_effect=True)
    gain = _likelihood(comparisons, strengths, effect) - _likelihood(comparisons, plain, 0.0)
    return LengthEffect(
        effect=effect,
        is_clear=2 * gain > CLEAR,
        shifts={agent: (strengths[agent] - plain[agent]) * POINTS for agent in plain},
        match_count=count,
    )


def _comparisons(seats: Sequence[LengthSeat]) -> list[_Comparison]:
    found = []
    for one, other in combinations(seats, 2):
        result = 0.5 if one.rank == other.rank else float(one.rank < other.rank)
        whole = one.chars + other.chars
        longer = (one.chars - other.chars) / whole if whole else 0.0
        found.append(
            _Comparison(one.agent_id, other.agent_id, result, longer, weight=2 / len(seats))
        )
    return found


def _fit(comparisons: Sequence[_Comparison], *, has_effect: bool) -> tuple[dict[int, float], float]:
    """(strength by agent, effect) of the largest posterior, by Newton's steps in turn."""
    of_agent: dict[int, list[tuple[_Comparison, float]]] = {}
    for each in comparisons:
        of_agent.setdefault(each.first, []).append((each, 1.0))
        of_agent.setdefault(each.second, []).append((each, -1.0))
    strengths, effect = dict.fromkeys(of_agent, 0.0), 0.0
    for _ in range(SWEEPS):
        largest = 0.0
        for agent, own in of_agent.items():
            slope, bend = -PRIOR * strengths[agent], PRIOR
            for each, sign in own:
                likely = _expected(each, strengths, effect)
                slope += each.weight * sign * (each.result - likely)
                bend += each.weight * likely * (1 - likely)
            strengths[agent] += slope / bend
            largest = max(largest, abs(slope / bend))
        if has_effect:
            slope, bend = -PRIOR * effect, PRIOR
            for each in comparisons:
                likely = _expected(each, strengths, effect)
                slope += each.weight * each.longer * (each.result - likely)
                bend += each.weight * each.longer**2 * likely * (1 - likely)
            effect += slope / bend
            largest = max(largest, abs(slope / bend))
        if largest < SMALL_STEP:
            break
    return strengths, effect


def _likelihood(
    comparisons: Sequence[_Comparison], strengths: Mapping[int, float], effect: float
) -> float:
    total = 0.0
    for each in comparisons:
        likely = min(max(_expected(each, strengths, effect), 1e-12), 1 - 1e-12)
        total += each.weight * (each.result * log(likely) + (1 - each.result) * log(1 - likely))
    return total


def _expected(each: _Comparison, strengths: Mapping[int, float], effect: float) -> float:
    return _sigmoid(strengths[each.first] - strengths[each.second] + effect * each.longer)


def _sigmoid(value: float) -> float:
    return 1 / (1 + exp(-value)) if value > -30 else 0.0
