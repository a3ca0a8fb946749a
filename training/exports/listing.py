"""A person's exports, for pages and programs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from agents.errors import NotAvailable
from training.exports.building import NOT_YOURS
from training.exports.formats import FORMATS
from training.exports.links import link_key
from training.models import Export
from training.states import LIVE_EXPORTS, REPEATABLE_EXPORTS, ExportState

MAX_ROWS = 100


@dataclass(frozen=True)
class ExportLine:
    """An export in a list."""

    export_id: int
    state: ExportState
    format: str
    container: str
    selection: Mapping[str, Any]
    rows_written: int
    rows_estimated: int | None  # None: not counted yet
    size_bytes: int
    reason: str  # why it failed or has to wait, a sentence
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime | None  # of its files

    @property
    def label(self) -> str:
        """Of its format."""
        return FORMATS[self.format].label

    @property
    def is_live(self) -> bool:
        return self.state in LIVE_EXPORTS

    @property
    def is_repeatable(self) -> bool:
        return self.state in REPEATABLE_EXPORTS

    @property
    def share(self) -> float | None:
        """How much of it is written, [0, 1]; None: nobody can tell."""
        if self.state == ExportState.WHOLE:
            return 1.0
        if not self.rows_estimated:
            return None
        return min(self.rows_written / self.rows_estimated, 1.0)


@dataclass(frozen=True)
class ExportFile:
    """A file of a whole export."""

    name: str
    rows: int
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class ExportView(ExportLine):
    """An export with its files; what links are made of only while there are some."""

    files: Sequence[ExportFile]
    manifest: Mapping[str, Any]
    link_key: str  # in the addresses of its files; empty: it has none (any more)
    link_until: datetime | None


def exports_of(
    viewer: int, *, before: int | None = None, limit: int = MAX_ROWS
) -> tuple[ExportLine, ...]:
    """The viewer's own, newest first; those with an id below `before`."""
    rows = Export.objects.filter(owner_id=viewer).defer("files", "manifest", "tally")
    if before is not None:
        rows = rows.filter(id__lt=before)
    return tuple(ExportLine(**_line(row)) for row in rows.order_by("-id")[: min(limit, MAX_ROWS)])


def export_view(export_id: int, *, viewer: int) -> ExportView:
    """The viewer's own export. Raises NotAvailable."""
    row = Export.objects.filter(id=export_id, owner_id=viewer).first()
    if row is None:
        raise NotAvailable(NOT_YOURS)
    key, until = "", None
    if row.state == ExportState.WHOLE:
        key, until = link_key(row, now=timezone.now())
    return ExportView(
        **_line(row),
        files=tuple(ExportFile(**one) for one in row.files),
        manifest=row.manifest,
        link_key=key,
        link_until=until,
    )


def _line(row: Export) -> dict[str, Any]:
    return {
        "export_id": row.pk,
        "state": ExportState(row.state),
        "format": row.format,
        "container": row.container,
        "selection": row.selection,
        "rows_written": row.rows_written,
        "rows_estimated": row.rows_estimated,
        "size_bytes": row.size_bytes,
        "reason": row.reason,
        "created_at": row.created_at,
        "finished_at": row.finished_at,
        "expires_at": row.expires_at,
    }
