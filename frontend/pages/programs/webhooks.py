"""A person's webhooks: the list, each with its log, and what can be done with them."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import urlencode

from agents.errors import Refused
from arena.webhooks import hooks, records
from frontend.hook_forms import EVENT_WORDS, HookForm
from frontend.pages.edge import SignedInRequest, not_cached, owner_page, refuse

SHOWN = 25  # deliveries of one page
MAX_ID_CHARS = 18


@owner_page("GET", "HEAD", "POST")
def webhooks(request: SignedInRequest) -> HttpResponse:
    """The list and the form. A new secret is shown in the answer to the form, and never again."""
    form, made = HookForm(request.POST or None), ""
    if form.is_valid():
        try:
            _, made = hooks.add_webhook(
                request.user.pk, url=form.cleaned_data["url"], events=form.wanted()
            )
        except Refused as error:
            form.add_error(None, str(error))
        else:
            form = HookForm()
    context = {
        "form": form,
        "made": made,
        "hooks": records.webhooks_of(request.user.pk),
        "most": hooks.MAX_HOOKS_OF_USER,
    }
    status = 422 if form.errors else 200
    return not_cached(render(request, "webhooks/list.html", context, status=status))


@owner_page()
def webhook(request: SignedInRequest, hook_id: int) -> HttpResponse:
    return _detail(request, hook_id)


@owner_page("GET", "HEAD", "POST")
def rotate(request: SignedInRequest, hook_id: int) -> HttpResponse:
    """The webhook's page with the new secret, which is never shown again."""
    if request.method != "POST":  # the address of the answer, opened again
        return redirect("webhook", records.webhook_view(hook_id, viewer=request.user.pk).hook_id)
    try:
        known = request.POST.get("known", "")
        secret = hooks.rotate_secret(request.user.pk, hook_id=hook_id, known=known)
    except Refused as error:
        refuse(request, error)
        return redirect("webhook", hook_id)
    return _detail(request, hook_id, made=secret)


@owner_page("POST")
def pause(request: SignedInRequest, hook_id: int) -> HttpResponse:
    hooks.pause_webhook(request.user.pk, hook_id=hook_id)
    messages.success(request, "The webhook is paused. It is told nothing until you resume it.")
    return redirect("webhook", hook_id)


@owner_page("POST")
def resume(request: SignedInRequest, hook_id: int) -> HttpResponse:
    hooks.resume_webhook(request.user.pk, hook_id=hook_id)
    messages.success(request, "The webhook is told of events again.")
    return redirect("webhook", hook_id)


@owner_page("POST")
def ping(request: SignedInRequest, hook_id: int) -> HttpResponse:
    try:
        hooks.ping_webhook(request.user.pk, hook_id=hook_id)
    except Refused as error:
        refuse(request, error)
    else:
        messages.success(request, "A ping is on its way. Its result stands in the log below.")
    return redirect("webhook", hook_id)


@owner_page("POST")
def delete(request: SignedInRequest, hook_id: int) -> HttpResponse:
    hooks.delete_webhook(request.user.pk, hook_id=hook_id)
    messages.success(request, "The webhook is deleted, with its log.")
    return redirect("webhooks")


@owner_page("POST")
def replay(request: SignedInRequest, hook_id: int, delivery_id: int) -> HttpResponse:
    try:
        records.replay_delivery(request.user.pk, hook_id=hook_id, delivery_id=delivery_id)
    except Refused as error:
        refuse(request, error)
    else:
        messages.success(request, "It is sent again.")
    return redirect("webhook", hook_id)


@owner_page("POST")
def replay_failed(request: SignedInRequest, hook_id: int) -> HttpResponse:
    try:
        count = records.replay_failed(request.user.pk, hook_id=hook_id)
    except Refused as error:
        refuse(request, error)
    else:
        messages.success(request, f"{count:,} of what was given up is sent again.")
    return redirect("webhook", hook_id)


def _detail(request: SignedInRequest, hook_id: int, *, made: str = "") -> HttpResponse:
    hook = records.webhook_view(hook_id, viewer=request.user.pk)
    mark = request.GET.get("before", "")
    before = (
        int(mark) if mark.isascii() and mark.isdecimal() and len(mark) <= MAX_ID_CHARS else None
    )
    found = records.deliveries_of(hook_id, viewer=request.user.pk, before=before, limit=SHOWN + 1)
    shown = found[:SHOWN]
    older = urlencode({"before": shown[-1].delivery_id}) if len(found) > SHOWN else ""
    context: dict[str, Any] = {
        "hook": hook,
        "made": made,
        "events": [EVENT_WORDS[event] for event in hook.events],
        "deliveries": shown,
        "older": older,
        "is_older": before is not None,
    }
    return not_cached(render(request, "webhooks/detail.html", context))
