"""Exports of one's own: ordering one, following it, its files, and getting rid of it."""

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from agents.errors import Refused
from frontend.dataset_form import address_of, filters_in_words, query_of
from frontend.pages.edge import SignedInRequest, not_cached, owner_page, refuse
from frontend.pages.exports.builder import NEWEST, checked, form_of, listed
from training.exports.building import build_export, delete_export, repeat_export
from training.exports.links import ARCHIVE
from training.exports.listing import MAX_ROWS, export_view
from training.exports.rows import choices_for
from training.exports.selection import Selection


@owner_page("POST")
def build(request: SignedInRequest, request_id: uuid.UUID) -> HttpResponse:
    """Order what the builder shows; whatever is wrong, the builder says."""
    form = form_of(request.POST, request.user.pk)
    back = f"{reverse('exports')}?{query_of(request.POST)}"
    if (selection := checked(form, request.user.pk)) is None:
        return redirect(back)
    try:
        export_id = build_export(
            request.user.pk,
            selection=selection,
            format=form.cleaned_data["format"],
            container=form.cleaned_data["container"],
            request_id=request_id,
        )
    except Refused as error:
        refuse(request, error)
        return redirect(back)
    return redirect("export", export_id)


@owner_page()
def own(request: SignedInRequest) -> HttpResponse:
    """All exports; to htmx only the list, or its newest few."""
    context = listed(request.user.pk, limit=NEWEST if "newest" in request.GET else MAX_ROWS)
    is_poll = request.htmx  # type: ignore[attr-defined]
    return not_cached(
        render(request, "exports/list.html" if is_poll else "exports/own.html", context)
    )


@owner_page()
def detail(request: SignedInRequest, export_id: int) -> HttpResponse:
    """An export; to htmx only what changes while it is written."""
    view = export_view(export_id, viewer=request.user.pk)
    context: dict[str, Any] = {"export": view, "archive": ARCHIVE}
    if request.htmx:  # type: ignore[attr-defined]
        return not_cached(render(request, "exports/state.html", context))
    selection = Selection.from_json(view.selection)
    context |= {
        "filters": filters_in_words(selection, choices=choices_for(request.user.pk)),
        "address": address_of(selection, format=view.format, container=view.container),
    }
    return not_cached(render(request, "exports/detail.html", context))


@owner_page("POST")
def repeat(request: SignedInRequest, export_id: int) -> HttpResponse:
    try:
        repeat_export(request.user.pk, export_id=export_id)
    except Refused as error:
        refuse(request, error)
    return redirect("export", export_id)


@owner_page("POST")
def delete(request: SignedInRequest, export_id: int) -> HttpResponse:
    delete_export(request.user.pk, export_id=export_id)
    messages.success(request, f"Export {export_id} is deleted, with its files and links.")
    return redirect("exports")
