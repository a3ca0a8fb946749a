"""Exports: datasets that one takes home."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from ninja import Router, Schema, Status
from pydantic import Field

from agents.api_tokens import Scope
from frontend.api.edge import answers, needs, user_id, viewer
from frontend.api.paging import Cursor, Limit, Page, id_of, page_of
from frontend.api.values import ChosenPairs, IdempotencyKey, NewExport, RowId
from training.exports.building import build_export, delete_export, repeat_export
from training.exports.formats import FORMATS
from training.exports.formats.columns import described
from training.exports.links import ARCHIVE
from training.exports.listing import ExportLine, ExportView, export_view, exports_of
from training.exports.rows import check
from training.exports.selection import Selection
from training.exports.summary import Summary, summary

router = Router()


class ColumnLine(Schema):
    """A column of a format."""

    name: str
    type: str = Field(description="As Arrow writes it.")
    meaning: str


class FormatLine(Schema):
    """A format with its columns."""

    name: str
    label: str
    explanation: str
    columns: list[ColumnLine]


class FileLink(Schema):
    """A file of an export."""

    name: str
    rows: int
    size_bytes: int
    sha256: str
    url: str = Field(description="Needs no token, takes ranges, and ends with the link.")


class ExportDetail(Schema):
    """An export; files only while it is whole and has not expired, and for a token that may read."""

    export: ExportLine
    manifest: dict[str, Any]
    files: list[FileLink]
    archive_url: str = Field(description="All files as one tar; empty if there are none.")
    links_until: datetime | None


@router.get("/formats", response=answers(list[FormatLine]), summary="Formats of exports")
def formats(request: HttpRequest) -> Any:
    return [
        {
            "name": one.name,
            "label": one.label,
            "explanation": one.explanation,
            "columns": [
                {"name": each.name, "type": described(each.type), "meaning": each.meaning}
                for each in one.columns
            ],
        }
        for one in FORMATS.values()
    ]


@router.get("", response=answers(Page[ExportLine]), **needs(Scope.READ), summary="Your exports")
def own_exports(request: HttpRequest, cursor: Cursor, limit: Limit) -> Any:
    before = id_of(cursor, noun="exports")
    rows: Sequence[ExportLine] = exports_of(user_id(request), before=before, limit=limit + 1)
    return page_of(rows, limit, mark=lambda row: str(row.export_id), noun="exports")


@router.post(
    "",
    response=answers(ExportDetail, status=201),
    **needs(Scope.EXPORT),
    summary="Order an export",
)
def order(request: HttpRequest, new: NewExport, idempotency_key: IdempotencyKey) -> Any:
    """It is written in the background; ask for it again until its state is whole or failed."""
    export_id = build_export(
        user_id(request),
        selection=Selection.from_json(new.selection),
        format=new.format,
        container=new.container,
        request_id=idempotency_key,
    )
    return Status(201, _detail(request, export_id))


@router.post(
    "/summary",
    response=answers(Summary),
    **needs(Scope.READ),
    summary="What a selection comes to",
)
def count(request: HttpRequest, chosen: ChosenPairs) -> Any:
    """How many pairs, how they are spread, and ten of them, before anything is ordered."""
    selection = Selection.from_json(chosen.selection)
    check(selection, user_id(request))
    return summary(selection, user_id(request))


@router.get(
    "/{export_id}", response=answers(ExportDetail), **needs(Scope.READ), summary="An export"
)
def detail(request: HttpRequest, export_id: RowId) -> Any:
    return _detail(request, export_id)


@router.post(
    "/{export_id}/repeat",
    response=answers(ExportDetail),
    **needs(Scope.EXPORT),
    summary="Write an export again",
)
def repeat(request: HttpRequest, export_id: RowId) -> Any:
    """One that failed, or whose files are gone: of what there is today."""
    repeat_export(user_id(request), export_id=export_id)
    return _detail(request, export_id)


@router.delete(
    "/{export_id}",
    response=answers(None, status=204),
    **needs(Scope.EXPORT),
    summary="Delete an export and its files",
)
def delete(request: HttpRequest, export_id: RowId) -> Any:
    delete_export(user_id(request), export_id=export_id)
    return Status(204, None)


def _detail(request: HttpRequest, export_id: int) -> Any:
    """With links only for a token that may read: they need none."""
    view = export_view(export_id, viewer=user_id(request))
    files = view.files if viewer(request) is not None else ()
    return {
        "export": view,
        "manifest": view.manifest,
        "files": [
            {
                "name": one.name,
                "rows": one.rows,
                "size_bytes": one.size_bytes,
                "sha256": one.sha256,
                "url": _url(request, view, one.name),
            }
            for one in files
        ],
        "archive_url": _url(request, view, ARCHIVE) if files else "",
        "links_until": view.link_until,
    }


def _url(request: HttpRequest, view: ExportView, name: str) -> str:
    return request.build_absolute_uri(reverse("export_file", args=[view.link_key, name]))
