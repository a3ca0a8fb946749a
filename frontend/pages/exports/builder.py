"""The page on which a person builds a dataset: filters, what they come to, and the exports so far."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render

from frontend.dataset_form import DatasetForm
from frontend.pages.edge import SignedInRequest, not_cached, owner_page
from training.configs.fields import InvalidConfig
from training.exports.rows import check, choices_for
from training.exports.selection import Selection, Whose
from training.exports.summary import Bin, Summary, summary


@dataclass(frozen=True)
class HistogramBar:
    """One bar of a histogram; `share` of the longest one."""

    label: str
    count: int
    share: float


@dataclass(frozen=True)
class Histogram:
    """How a figure of the pairs is spread."""

    title: str
    explanation: str
    bars: tuple[HistogramBar, ...]

    @classmethod
    def of(cls, title: str, explanation: str, bins: Sequence[Bin]) -> "Histogram":
        most = max((each.count for each in bins), default=0) or 1
        bars = tuple(HistogramBar(each.label, each.count, each.count / most) for each in bins)
        return cls(title, explanation, bars)


@owner_page()
def exports(request: SignedInRequest) -> HttpResponse:
    """The builder. Its address holds every filter, so that it works without script and can be shared."""
    return _page(request, "exports/page.html")


@owner_page()
def chosen(request: SignedInRequest) -> HttpResponse:
    """The part of the page that follows the filters as they change."""
    return _page(request, "exports/chosen.html")


def _page(request: SignedInRequest, template: str) -> HttpResponse:
    user_id = request.user.pk
    given = request.GET.copy()
    given.setdefault("whose", Whose.MINE)
    form = DatasetForm(given, choices=choices_for(user_id))
    selection = _checked(form, user_id)
    context: dict[str, Any] = {"form": form, "selection": selection}
    if selection:
        context |= _drawn(summary(selection, user_id))
    return not_cached(render(request, template, context))


def _checked(form: DatasetForm, user_id: int) -> Selection | None:
    """What is chosen, if it exists and the user may have it; else the form says why not."""
    selection = form.selection()
    if selection is None:
        return None
    try:
        check(selection, user_id)
    except InvalidConfig as error:
        form.explain(error)
        return None
    return selection


def _drawn(found: Summary) -> dict[str, Any]:
    return {
        "summary": found,
        "histograms": (
            Histogram.of(
                "Length",
                "The better answer’s tokens less those of the worse one.",
                found.lengths,
            ),
            Histogram.of(
                "Margin", "By how much the better answer’s score is higher.", found.margins
            ),
        ),
    }
