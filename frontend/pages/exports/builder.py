"""The page on which a person builds a dataset: filters, what they come to, and the exports so far."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse, QueryDict
from django.shortcuts import render

from frontend.dataset_form import USUAL, DatasetForm
from frontend.pages.edge import SignedInRequest, not_cached, owner_page
from training.configs.fields import InvalidConfig
from training.exports.formats import FORMATS
from training.exports.formats.base import Order, unknown_filters
from training.exports.formats.pairs import PairFormat
from training.exports.listing import exports_of
from training.exports.rows import check, choices_for
from training.exports.selection import Selection
from training.exports.summary import Bin, Summary, summary

NEWEST = 3  # exports on the page of the builder


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
    return _page(request, "exports/page.html", listed(request.user.pk, limit=NEWEST))


@owner_page()
def chosen(request: SignedInRequest) -> HttpResponse:
    """The part of the page that follows the filters as they change."""
    return _page(request, "exports/chosen.html", {})


def listed(viewer_id: int, *, limit: int) -> dict[str, Any]:
    """The viewer's newest exports, for the list that follows them while one is being written."""
    found = exports_of(viewer_id, limit=limit)
    is_live = any(one.is_live for one in found)
    return {"exports": found, "is_newest": limit == NEWEST, "is_live": is_live}


def form_of(given: QueryDict, asker_id: int) -> DatasetForm:
    """The form with these values, and the usual ones of choices that are not given."""
    values = given.copy()
    for name, usual in USUAL.items():
        values.setdefault(name, usual)
    return DatasetForm(values, choices=choices_for(asker_id))


def checked(form: DatasetForm, asker_id: int) -> Selection | None:
    """What is chosen, if it exists and the user may have it; else the form says why not."""
    selection = form.selection()
    if selection is None:
        return None
    try:
        check(selection, asker_id)
        if problems := unknown_filters(selection, FORMATS[form.cleaned_data["format"]]):
            raise InvalidConfig(problems)
    except InvalidConfig as error:
        form.explain(error)
        return None
    return selection


def _page(request: SignedInRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    user_id = request.user.pk
    form = form_of(request.GET, user_id)
    selection = checked(form, user_id)
    context |= {"form": form, "selection": selection, "request_id": uuid.uuid4()}
    if selection:
        chosen = FORMATS[form.cleaned_data["format"]]
        context["format"] = chosen
        if isinstance(chosen, PairFormat):
            context |= _drawn(summary(selection, user_id))
        else:
            order = Order(user_id, selection, up_to_id=chosen.newest_id())
            context["count"] = chosen.estimate(order)
    return not_cached(render(request, template, context))


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
