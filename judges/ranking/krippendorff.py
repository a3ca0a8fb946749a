"""Krippendorff's alpha: how far judges agree, beyond what chance would give. Pure."""

from collections.abc import Mapping, Sequence
from math import fsum


def alpha_of(values: Sequence[Mapping[int, float]]) -> float | None:
    """Alpha with the interval metric: 1 is full agreement, 0 is chance, below 0 is opposition.

    `values` has one mapping for each judge, unit -> value; units may be missing. With ranks as
    values it measures agreement on the order (Krippendorff, Content Analysis, 2019, chapter 12).
    None if no unit has two values, or if all values are equal: then nothing can be told.
    """
    units = sorted({unit for each in values for unit in each})
    by_unit = [[each[unit] for each in values if unit in each] for unit in units]
    paired = [heard for heard in by_unit if len(heard) > 1]
    pooled = [value for heard in paired for value in heard]
    expected = _squares(pooled) / (len(pooled) - 1) if pooled else 0.0
    if expected == 0:
        return None
    observed = fsum(_squares(heard) / (len(heard) - 1) for heard in paired)
    return 1 - observed / expected


def _squares(values: Sequence[float]) -> float:
    """Sum of the squared differences of all ordered pairs."""
    return fsum((one - other) ** 2 for one in values for other in values)
