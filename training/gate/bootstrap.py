"""The bootstrap of the gate and of the learning benchmark. PURE."""

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeVar

RESAMPLES = 2000

Outcome = TypeVar("Outcome")


def bootstrap(
    groups: Sequence[Sequence[Outcome]],
    figure: Callable[[Sequence[Outcome]], float],
    *,
    rng: Random,
) -> list[float]:
    """The figure of RESAMPLES samples drawn with replacement, smallest first.

    A group holds an outcome for each task, in task order; the tasks are the same in all groups.
    Of several groups (seeds of a benchmark) as many are drawn first, then tasks, the same ones of
    each (Davison & Hinkley 1997, 3.8). Of one group only tasks are drawn (Efron & Tibshirani
    1993, chapter 16). Where outcomes are differences or pairs, the bootstrap is a paired one.
    """
    task_count = len(groups[0])

    def resampled() -> float:
        drawn = rng.choices(groups, k=len(groups)) if len(groups) > 1 else groups
        tasks = rng.choices(range(task_count), k=task_count)
        return figure([group[task] for group in drawn for task in tasks])

    return sorted(resampled() for _ in range(RESAMPLES))


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which that share of an ascending sequence lies, share in [0, 1)."""
    return ordered[int(share * len(ordered))]
