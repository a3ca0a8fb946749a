"""PURE: a judge's agreement with known orders, its biases, and the weight that follows.

Kappa = (seen - chance) / (1 - chance), Cohen 1960: `seen` is the share of pairs whose better answer
the judge preferred, `chance` what it would be if the judge said the same things of pairs drawn at
random. A tie is a miss, and so is what the judge could not say. Every pair is asked in both orders of seats,
so a judge that always prefers the first answer, or always ties, has a kappa of 0.

The interval is Wilson's (1927) of `seen`, with one trial for each item, put into the formula: the
two orders of one item are no two independent trials, and the usual standard error would be nothing
for a judge that is always wrong. Why these figures: docs/decisions/calibration.md
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from statistics import fmean, stdev

from judges.calibration.heard import Said

Z = 1.959963985  # two-sided 95 %
MIN_ITEMS = 24  # before that, nothing follows from a judge's kappa
MIN_TRUST = 0.05  # a judge that is not quarantined keeps a voice


@dataclass(frozen=True)
class Kappa:
    """Agreement with known orders, in [-1, 1]; 0: no better than chance."""

    value: float
    low: float
    high: float
    items: int

    @property
    def is_enough(self) -> bool:
        return self.items >= MIN_ITEMS

    def is_under(self, floor: float) -> bool:
        """Whether even the upper end of the interval is below the floor, on enough items."""
        return self.is_enough and self.high < floor


@dataclass(frozen=True)
class Bias:
    """How much oftener a judge prefers some answers than is right, in [-1, 1], with its interval."""

    value: float
    low: float
    high: float
    pairs: int

    @property
    def is_clear(self) -> bool:
        return not self.low <= 0.0 <= self.high


@dataclass(frozen=True)
class Calibration:
    """All figures of one judge."""

    kappa: Kappa | None
    position: Bias | None
    length: Bias | None
    own_model: Bias | None
    unsaid_share: float | None  # of the pairs that it was asked


def calibration_of(said: Collection[Said]) -> Calibration:
    """The figures of these pairs; None for what nothing is known of."""
    decided = [one for one in said if one.preferred]
    unsaid = sum(one.preferred is None for one in said)
    return Calibration(
        kappa=kappa_of(said),
        position=_bias([turn for one in said for turn in _turns(one) if turn[0]]),
        length=_bias(
            [((one.preferred or 0) * one.longer, one.right * one.longer)
             for one in decided if one.longer]
        ),
        own_model=_bias(
            [((one.preferred or 0) * one.own, one.right * one.own) for one in decided if one.own]
        ),
        unsaid_share=unsaid / len(said) if said else None,
    )  # fmt: skip


def kappa_of(said: Collection[Said]) -> Kappa | None:
    """None if nothing was asked."""
    if not said:
        return None
    count = len(said)
    seen = sum(one.preferred == one.right for one in said) / count
    chance = sum(
        sum(one.preferred == side for one in said) * sum(one.right == side for one in said)
        for side in (1, -1)
    ) / (count * count)
    items = len({one.item_id for one in said})
    low, high = _wilson(seen, items)

    def corrected(share: float) -> float:
        return (share - chance) / (1 - chance) if chance < 1 else 0.0

    return Kappa(corrected(seen), corrected(low), corrected(high), items)


def quantile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least this share of them does not exceed; None of none."""
    ordered = sorted(values)
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else None


def trust_of(kappa: Kappa | None) -> float:
    """The factor of the judge's weight on panels, in [MIN_TRUST, 1]; 1 while little is known."""
    if kappa is None or not kappa.is_enough:
        return 1.0
    return min(1.0, max(MIN_TRUST, kappa.value))


def _turns(one: Said) -> tuple[tuple[int, int], ...]:
    return one.shown or (((one.preferred, one.right),) if one.preferred else ())


def _bias(pairs: Sequence[tuple[int, int]]) -> Bias | None:
    """From (preferred, right) of each pair, 1 where it is the answer in question, else -1."""
    if len(pairs) < 2:
        return None
    excess = [(preferred - right) / 2 for preferred, right in pairs]
    value = fmean(excess)
    half = Z * stdev(excess) / sqrt(len(excess))
    return Bias(value, max(-1.0, value - half), min(1.0, value + half), len(excess))


def _wilson(share: float, count: int) -> tuple[float, float]:
    middle = (share + Z**2 / (2 * count)) / (1 + Z**2 / count)
    half = Z * sqrt(share * (1 - share) / count + Z**2 / (4 * count**2)) / (1 + Z**2 / count)
    return max(0.0, middle - half), min(1.0, middle + half)
