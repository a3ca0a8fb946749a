"""Template tags and filters: numbers as people read them, icons, drawings, the wallet."""

import json
from datetime import datetime
from typing import Any

from django import forms, template
from django.conf import settings
from django.forms import BoundField
from django.forms.widgets import Input
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import now

from arena.credits.amounts import in_credits
from arena.credits.ledger import Balance
from arena.environments import ENVIRONMENTS
from arena.queries import (
    DuelRecord,
    MatchCard,
    MatchSnapshot,
    RatingPoint,
    SeatView,
    Standing,
    wallet_balance,
)
from arena.states import INTERVAL_SIGMAS
from frontend import charts, rating_words
from judges.panel import rank
from training.gate.decisions import GateDecision
from training.monitoring.troubles import in_words

register = template.Library()

# 24 x 24, stroke only; drawn for this site.
_ICONS = {
    "arrow": "M5 12h14M13 6l6 6-6 6",
    "check": "M5 12.5l4.5 4.5L19 7.5",
    "cross": "M6 6l12 12M18 6L6 18",
    "dash": "M6 12h12",
    "clock": "M12 7v5l3 2M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z",
    "download": "M12 4v11m0 0l-4.5-4.5M12 15l4.5-4.5M5 19.5h14",
    "menu": "M4 7h16M4 12h16M4 17h16",
    "moon": "M20 14.5A8 8 0 0 1 9.5 4a8 8 0 1 0 10.5 10.5z",
    "sun": "M12 16.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM12 2.5V5M12 19v2.5M2.5 12H5M19 12h2.5"
    "M5.3 5.3L7 7M17 17l1.7 1.7M5.3 18.7L7 17M17 7l1.7-1.7",
    "plus": "M12 5v14M5 12h14",
    "play": "M8 5.5v13l10.5-6.5z",
    "stop": "M7 7h10v10H7z",
    "first": "M6 6v12M18 6l-7 6 7 6",
    "previous": "M15 6l-7 6 7 6",
    "next": "M9 6l7 6-7 6",
    "last": "M18 6v12M6 6l7 6-7 6",
    "warning": "M12 4L2.8 19.5h18.4zM12 10v4.5M12 17h.01",
    "info": "M12 11v5.5M12 7.5h.01M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z",
    "lock": "M7 11V8a5 5 0 0 1 10 0v3M5.5 11h13v9h-13z",
    "back": "M19 12H5M11 6l-6 6 6 6",
    "user": "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 20.5c1-4 4-5.5 7.5-5.5s6.500 1.500 7.500 5.500",
    "branch": "M7 4v10a4 4 0 0 0 4 4h6M13.500 14.500L17 18l-3.500 3.500",
}


@register.simple_tag
def icon(name: str, size: str = "size-4") -> SafeString:
    """A decorative line icon; the text beside it carries the meaning."""
    return format_html(
        '<svg class="{} shrink-0" viewBox="0 0 24 24" fill="none" stroke="currentColor" '
        'stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">'
        '<path d="{}"/></svg>',
        size,
        _ICONS[name],
    )


@register.simple_tag(takes_context=True)
def wallet(context: template.Context) -> Balance | None:
    """The signed-in user's credits, for the navigation."""
    request = context.get("request")
    if request is None or not getattr(request, "user", None) or not request.user.is_authenticated:
        return None
    # Where the page itself shows the balance, it is not read a second time.
    return context.get("balance") or wallet_balance(request.user.pk)


@register.simple_tag
def sends_mail() -> bool:
    """Whether mail is sent; without a mail server, messages go to the log."""
    return bool(settings.ENV.email_url)


@register.simple_tag(takes_context=True)
def theme(context: template.Context) -> str:
    """The theme the visitor chose, from its cookie; empty: the system's."""
    request = context.get("request")
    chosen = request.COOKIES.get("theme", "") if request else ""
    return {"light": "clay", "dark": "ember"}.get(chosen, "")


@register.simple_tag(takes_context=True)
def current(context: template.Context, prefix: str) -> SafeString | str:
    """aria-current for a navigation link whose section holds this page."""
    request = context.get("request")
    if request is None or not request.path.startswith(prefix):
        return ""
    return format_html('aria-current="{}"', "page" if request.path == prefix else "true")


@register.filter
def credits(value: int | None) -> str:
    return f"{value or 0:,}"


@register.filter("in_credits")
def credits_in_words(value: int | None) -> str:
    return in_credits(value or 0)


@register.filter
def signed(value: float | None, places: int = 0) -> str:
    """+12, −3, 0; a real minus sign."""
    if value is None:
        return ""
    text = f"{abs(value):,.{places}f}"
    if not text.strip("0.,"):
        return text
    return f"+{text}" if value > 0 else f"−{text}"


@register.filter
def fixed(value: float | None, places: int = 1) -> str:
    """12.0, −3.1, 0.0."""
    return "–" if value is None else rating_words.decimal(value, places=places)


@register.filter
def figure(value: float | None) -> str:
    """Three digits of a figure of unknown size: 0.0123, 4.5, 1,234."""
    if value is None:
        return "–"
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:z.3g}"
    return text.replace("-", "−")


@register.filter
def status_words(status: str) -> str:
    """A training run's status in a list."""
    return {"queued": "waiting", "evaluating": "at the gate"}.get(status, status)


@register.filter
def percent(value: float | None, places: int = 0) -> str:
    return "–" if value is None else f"{value * 100:.{places}f}%"


@register.filter
def points(value: float | None) -> str:
    """A score in [0, 1] as 0 to 100."""
    return "–" if value is None else f"{value * 100:.0f}"


@register.filter
def spread(sigma: float) -> float:
    """Half the width of a rating's 95% interval."""
    return INTERVAL_SIGMAS * sigma


@register.filter
def ordinal_place(value: int) -> str:
    suffix = "th" if 10 <= value % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
    return f"{value}{suffix}"


@register.filter
def ago(value: datetime | None) -> str:
    """How long ago in the largest unit; never in the future."""
    if value is None:
        return ""
    seconds = max(0, int((now() - value).total_seconds()))
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            number = seconds // size
            return f"{number} {unit}{'s' if number > 1 else ''} ago"
    return "just now"


@register.simple_tag
def moment(value: datetime) -> SafeString:
    """A date and time in UTC, which the page's script turns into the reader's own time."""
    return format_html(
        '<time datetime="{}" data-local-time>{} UTC</time>',
        value.isoformat(timespec="seconds"),
        f"{value:%a} {value.day} {value:%b %Y, %H:%M}",
    )


@register.filter
def minutes(seconds: float | None) -> str:
    """75 -> 1 min 15 s"""
    if seconds is None:
        return "–"
    whole = int(seconds)
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"


register.filter("lasting", in_words)


@register.filter
def as_json(value: Any) -> str:
    """For a data attribute; the template escapes it."""
    return json.dumps(value, separators=(",", ":"))


@register.filter
def words(value: str) -> str:
    """A key as words: end_phrase, end phrase."""
    return value.replace("_", " ")


@register.filter
def task_kind(kind: str) -> str:
    """A task's kind as words; the tasks of a game are of one kind, which is the game."""
    names = {each.slug: each.name for each in ENVIRONMENTS.values()}
    return names.get(kind) or words(kind)


@register.filter
def times_100(value: float | None) -> str:
    """A share as the number of an SVG percentage or a <progress> value."""
    return f"{min(max(value or 0.0, 0.0), 1.0) * 100:.2f}"


@register.filter
def times_points(value: float | None) -> str:
    """A difference of scores in points of 100, without its sign."""
    return "–" if value is None else f"{abs(value) * 100:.1f}"


@register.filter
def signed_points(value: float | None) -> str:
    return "–" if value is None else signed(value * 100, 1)


@register.simple_tag
def gate_axis(decision: GateDecision) -> dict[str, str]:
    """Where the gate's figures lie on an axis of differences, in percent of its width."""
    numbers = {
        "low": decision.lower_bound,
        "point": decision.difference,
        "zero": 0.0,
        "margin": -decision.margin,
    }
    reach = max(0.1, *(abs(number) for number in numbers.values())) * 1.15
    places = {name: (number + reach) / (2 * reach) * 100 for name, number in numbers.items()}
    # With one-sided confidence the difference lies anywhere above its lower bound.
    places["above"] = 100 - places["low"]
    return {name: f"{place:.2f}" for name, place in places.items()}


@register.filter
def opponents(card: MatchCard, agent_id: int) -> str:
    """The other seats' names, best first; the house's say so."""
    others = [seat.competitor for seat in card.by_rank if seat.competitor.agent_id != agent_id]
    return ", ".join(f"{other.name} (house)" if other.is_house else other.name for other in others)


@register.filter
def at_index(values: Any, index: int) -> Any:
    return values[index]


@register.simple_tag
def rating_curve(
    history: tuple[RatingPoint, ...], width: int = 240, height: int = 64
) -> charts.Curve | None:
    """The rating with its 95% band."""
    return charts.curve(
        [point.mu for point in history],
        spreads=[INTERVAL_SIGMAS * point.sigma for point in history],
        width=width,
        height=height,
    )


@register.simple_tag
def credit_curve(sums: tuple[int, ...]) -> charts.Curve | None:
    """What was won and lost after each match, with the line of nothing won or lost."""
    return charts.curve(sums, width=560, height=120)


@register.simple_tag
def with_intervals(
    standings: tuple[Standing, ...],
) -> tuple[tuple[Standing, charts.Interval], ...]:
    """Lines of a leaderboard with their 95% intervals on one axis."""
    drawn = charts.intervals([(line.skill.low, line.mu, line.skill.high) for line in standings])
    return tuple(zip(standings, drawn, strict=True))


@register.simple_tag
def share_interval(record: DuelRecord) -> charts.Interval:
    """A share with its interval on an axis from 0 to 1."""
    low, high = record.interval
    return charts.Interval(
        x=round(low * 100, 2), width=round((high - low) * 100, 2), mean=round(record.share * 100, 2)
    )


@register.simple_tag
def explained_ratings(match: MatchSnapshot) -> tuple[rating_words.ExplainedRating, ...]:
    """What the match did to each rating, in a sentence and a picture."""
    return rating_words.explained(match.seats)


@register.simple_tag
def round_bars(scores: tuple[float | None, ...]) -> tuple[charts.Bar, ...]:
    """A seat's score bar: one segment per round; a full track is a perfect match."""
    return charts.stacked(scores, whole=float(len(scores)))


@register.simple_tag
def round_winner(match: MatchSnapshot, number: int) -> SeatView | None:
    """The seat that the verdict puts first; None before the verdict and for a tie."""
    scores = [(seat, seat.scores[number - 1]) for seat in match.seats]
    ranking = rank({seat.index: score for seat, score in scores if score is not None})
    if not ranking or len(ranking[0]) > 1:
        return None
    return next(seat for seat in match.seats if seat.index == ranking[0][0])


_CONTROL_CLASSES: tuple[tuple[type[forms.Widget], str], ...] = (
    (forms.Textarea, "textarea w-full"),
    (forms.RadioSelect, "radio radio-sm radio-primary"),
    (forms.Select, "select w-full"),
    (forms.CheckboxInput, "checkbox checkbox-sm checkbox-primary"),
    (forms.FileInput, "file-input w-full"),
    (Input, "input w-full"),
)


@register.inclusion_tag("parts/field.html")
def field(bound: BoundField, label: str = "", help: str = "") -> dict[str, Any]:
    """Label, control, help and error of one form field, tied together for screen readers.

    `label` and `help` replace the words of a form that is not ours.
    """
    bound.help_text = help or bound.help_text
    bound.field.widget.attrs.pop("placeholder", None)  # the label already says it
    widget = bound.field.widget
    css = next((css for kind, css in _CONTROL_CLASSES if isinstance(widget, kind)), "")
    return {
        "field": bound,
        "label": label or bound.label,
        "control": bound.as_widget(attrs={"class": css}),
        "is_checkbox": isinstance(widget, forms.CheckboxInput),
    }
