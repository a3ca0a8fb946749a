"""Geometry of the drawings in templates: numbers in, SVG coordinates out. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Curve:
    """A line with its band, in a box of `width` by `height` units."""

    width: int
    height: int
    line: str  # points of a polyline
    band: str  # points of a polygon; empty: none
    low: float
    high: float
    zero: float | None  # the height of the value 0, if it is in the box


@dataclass(frozen=True)
class Bar:
    """One horizontal bar in percent of the track."""

    x: float
    width: float
    value: float


@dataclass(frozen=True)
class Interval:
    """An interval with its mean, in percent of an axis."""

    x: float
    width: float
    mean: float


def intervals(values: Sequence[tuple[float, float, float]]) -> tuple[Interval, ...]:
    """(low, mean, high) of each on one axis, which they just fill."""
    left = min((low for low, _, _ in values), default=0.0)
    span = max((high for _, _, high in values), default=0.0) - left or 1.0

    def share(distance: float) -> float:
        return round(distance / span * 100, 2)

    return tuple(
        Interval(x=share(low - left), width=share(high - low), mean=share(mean - left))
        for low, mean, high in values
    )


def curve(
    means: Sequence[float],
    *,
    spreads: Sequence[float] = (),
    width: int = 240,
    height: int = 64,
    padding: int = 4,
) -> Curve | None:
    """Fit the values into the box; None if there are fewer than two points, so no line."""
    spreads = spreads or [0.0] * len(means)
    values = [
        (mean - spread, mean, mean + spread) for mean, spread in zip(means, spreads, strict=True)
    ]
    return banded(values, width=width, height=height, padding=padding)


def banded(
    values: Sequence[tuple[float, float, float]],
    *,
    width: int = 240,
    height: int = 64,
    padding: int = 4,
) -> Curve | None:
    """The same for the (low, mean, high) of each point."""
    if len(values) < 2:
        return None
    lower, means, upper = ([value[place] for value in values] for place in range(3))
    low, high = min(lower), max(upper)
    span = (high - low) or 1.0
    step = (width - 2 * padding) / (len(means) - 1)

    def y(value: float) -> float:
        return round(padding + (high - value) / span * (height - 2 * padding), 1)

    def points(values: Sequence[float], order: Sequence[int]) -> str:
        return " ".join(f"{padding + step * at:.1f},{y(values[at])}" for at in order)

    forward = range(len(means))
    band = ""
    if lower != upper:
        band = points(upper, forward) + " " + points(lower, forward[::-1])
    return Curve(
        width=width,
        height=height,
        line=points(means, forward),
        band=band,
        low=low,
        high=high,
        zero=y(0) if low <= 0 <= high else None,
    )


def stacked(values: Sequence[float | None], *, whole: float) -> tuple[Bar, ...]:
    """Segments of one bar, left to right; `whole` fills the track."""
    bars, x = [], 0.0
    for value in values:
        if value is None or whole <= 0:
            continue
        width = max(0.0, min(value / whole * 100, 100 - x))
        bars.append(Bar(x=round(x, 2), width=round(max(width - 0.35, 0), 2), value=value))
        x += width
    return tuple(bars)
