"""Template tags and filters of judges' pages: figures in words, and their drawings."""

from django import template

from arena.queries.judges.views import Point
from frontend import charts
from judges.calibration.figures import Bias, Kappa

register = template.Library()

_KINDS = {
    "code": "checks by code",
    "poem": "measures form and relevance",
    "pairwise": "a language model compares answers in pairs",
    "rubric": "a language model marks each answer by criteria",
    "process": "a language model marks each step of an answer",
    "learned": "a model that was trained on known orders",
    "coin": "decides at random, as a control",
    "reward": "a reward model gives each answer a number",
    "embedding": "measures closeness to the task",
}
# By Landis and Koch (1977), in plainer words: up to this kappa, this is how well it agrees.
_AGREES = (
    (0.0, "no better than chance"),
    (0.2, "hardly better than chance"),
    (0.4, "a little better than chance"),
    (0.6, "moderately well"),
    (0.8, "well"),
    (1.0, "almost always"),
)


@register.filter
def kind_words(kind: str) -> str:
    return _KINDS.get(kind, kind.replace("_", " "))


@register.filter
def agreement_words(kappa: Kappa) -> str:
    return next((words for top, words in _AGREES if kappa.value <= top), _AGREES[-1][1])


@register.simple_tag
def kappa_interval(kappa: Kappa) -> charts.Interval:
    """The interval on an axis from 0 to 1."""
    low, mean, high = (
        min(1.0, max(0.0, value)) * 100 for value in (kappa.low, kappa.value, kappa.high)
    )
    return charts.Interval(x=round(low, 2), width=round(high - low, 2), mean=round(mean, 2))


@register.simple_tag
def bias_interval(bias: Bias) -> charts.Interval:
    """The interval on an axis from -1 to 1."""
    low, mean, high = ((value + 1) * 50 for value in (bias.low, bias.value, bias.high))
    return charts.Interval(x=round(low, 2), width=round(high - low, 2), mean=round(mean, 2))


@register.simple_tag
def kappa_curve(points: tuple[Point, ...]) -> charts.Curve | None:
    """Kappa with its 95 % band, day by day."""
    found = [point.kappa for point in points if point.kappa is not None]
    return charts.banded([(one.low, one.value, one.high) for one in found], width=560, height=120)


@register.simple_tag
def seconds_curve(points: tuple[Point, ...]) -> charts.Curve | None:
    """Half of the answers took no longer, day by day; the band ends at nine in ten."""
    found = [
        (point.seconds_median, point.seconds_slow)
        for point in points
        if point.seconds_median is not None and point.seconds_slow is not None
    ]
    return charts.banded([(median, median, slow) for median, slow in found], width=560, height=120)


@register.filter
def micros(value: int) -> str:
    """A cost in millionths as a number of the endpoints' currency: 0.0012."""
    return f"{value / 1_000_000:.6f}".rstrip("0").rstrip(".")
