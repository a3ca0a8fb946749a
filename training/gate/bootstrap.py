"""The intervals of the gate and of benchmarks. PURE."""

from collections.abc import Callable, Sequence
from math import sqrt
from random import Random
from typing import TypeVar

RESAMPLES = 2000
Z = 1.96  # two-sided 95 %

Outcome = TypeVar("Outcome")


def bootstrap(
    groups: Sequence[Sequence[Outcome]],
    figure: Callable[[Sequence[Outcome]], float],
    *,
    rng: Random,
) -> list[float]:
    """The figure of RESAMPLES samples drawn with replacement, smallest first.

    A group holds one outcome per task, in task order; the tasks are the same in all groups. With
    several groups (seeds of a benchmark), groups are resampled first, then tasks, the same tasks
    in each group (Davison & Hinkley 1997, 3.8). With one group, only tasks are resampled (Efron &
    Tibshirani 1993, chapter 16). If outcomes are differences or pairs, the bootstrap is paired.
    """
    task_count = len(groups[0])

    def resampled() -> float:
        if len(groups) == 1:  # the usual case, in half the time
            return figure(rng.choices(groups[0], k=task_count))
        drawn = rng.choices(groups, k=len(groups))
        tasks = rng.choices(range(task_count), k=task_count)
        return figure([group[task] for group in drawn for task in tasks])

    return sorted(resampled() for _ in range(RESAMPLES))


def central(ordered: Sequence[float], share: float) -> tuple[float, float]:
    """The ends of the middle `share` of an ascending sequence; as many lie below as above."""
    cut = int((1 - share) / 2 * len(ordered))
    return ordered[cut], ordered[-1 - cut]


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which `share` of an ascending sequence lies; share in [0, 1)."""
    return ordered[int(share * len(ordered))]


def wilson(share: float, count: int) -> tuple[float, float]:
    """95 % interval of a share of `count` trials (Wilson, 1927)."""
    middle = (share + Z**2 / (2 * count)) / (1 + Z**2 / count)
    half = Z * sqrt(share * (1 - share) / count + Z**2 / (4 * count**2)) / (1 + Z**2 / count)
    return max(0.0, middle - half), min(1.0, middle + half)
