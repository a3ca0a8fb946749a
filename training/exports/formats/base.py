"""What a format is: its columns, and where its rows come from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol, TypeVar

from django.db.models import Model, QuerySet

from training.exports.formats.columns import Column
from training.exports.formats.tally import ExportTally
from training.exports.selection import Selection


@dataclass(frozen=True)
class Order:
    """What an export is of."""

    owner_id: int
    selection: Selection
    up_to_id: int  # the last that existed when it was ordered


@dataclass(frozen=True)
class RowBatch:
    """Some rows, after which an export can go on with another file."""

    up_to_id: int
    lines: Sequence[str]  # JSON objects, one a row
    tally: ExportTally = field(default_factory=ExportTally)


ALL_FILTERS = frozenset(one.name for one in fields(Selection))
Rows = TypeVar("Rows", bound=Model)


def unknown_filters(selection: Selection, chosen: "Format") -> dict[str, str]:
    """A sentence for each filter that narrows the selection and that the format does not know."""
    usual = Selection()
    return {
        one.name: f"The format “{chosen.name}” is not chosen by {one.name}: leave it out."
        for one in fields(Selection)
        if one.name not in chosen.filters
        and getattr(selection, one.name) != getattr(usual, one.name)
    }


def selected_between(rows: QuerySet[Rows], selection: Selection) -> QuerySet[Rows]:
    """Those that were made on the days of the selection, in UTC."""
    if selection.since:
        rows = rows.filter(created_at__gte=_begin_of(selection.since))
    if selection.until and selection.until < date.max:
        rows = rows.filter(created_at__lt=_begin_of(selection.until + timedelta(days=1)))
    return rows


def _begin_of(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)


class Format(Protocol):
    """One way to write what a selection chooses."""

    name: str
    label: str
    explanation: str
    filters: frozenset[str]  # of the selection that it knows

    @property
    def columns(self) -> Sequence[Column]: ...

    def newest_id(self) -> int:
        """Of what it is made of: whatever comes later is not in an export that is ordered now."""

    def estimate(self, order: Order) -> int | None:
        """About how many rows the order comes to; None: nobody can tell soon."""

    def pages(self, order: Order, *, after_id: int) -> Iterator[RowBatch]:
        """What the order chooses and comes after this id. Raises Refused."""
