"""Tournaments: what is on, a page to watch one, registering and withdrawing."""

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from agents.errors import Refused
from arena.queries import (
    agent_cards,
    tournament_cards,
    tournament_stamp,
    tournament_view,
    wallet_balance,
)
from arena.tournaments.registering import register, withdraw
from frontend.forms import EnterForm
from frontend.pages.edge import (
    SignedInRequest,
    not_cached,
    owner_page,
    public_page,
    refuse,
    viewer_id,
)
from frontend.sharing import Shared

# However many watch, each change is drawn once. What changes without one, as a name, shows this late.
live_fragments: Shared[SafeString] = Shared(max_bytes=8_000_000, keep_seconds=60.0, size_of=len)


@public_page()
def tournament_list(request: HttpRequest) -> HttpResponse:
    context = {"tournaments": tournament_cards()}
    is_poll = request.htmx  # type: ignore[attr-defined]
    name = "tournaments/list.html#cards" if is_poll else "tournaments/list.html"
    return not_cached(render(request, name, context))


@public_page()
def tournament_detail(request: HttpRequest, tournament_id: int) -> HttpResponse:
    """The page, or what of it changes while the tournament is live, the same for every viewer.

    A start or an end also changes what stands beside that: then the page is loaded anew.
    """
    if not request.htmx:  # type: ignore[attr-defined]
        return _page(request, tournament_id)
    stamp = tournament_stamp(tournament_id)
    status = stamp[0]

    def draw() -> SafeString:
        shown = tournament_view(tournament_id, viewer=None)
        # Of before it was read: if it has begun in between, the next poll tells so.
        context = {"tournament": shown, "was": status}
        return render_to_string("tournaments/live.html", context)

    if request.GET.get("was", status) != status:
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})
    return not_cached(HttpResponse(live_fragments.get((tournament_id, stamp), draw)))


@owner_page("GET", "HEAD", "POST")
def register_agent(request: SignedInRequest, tournament_id: int) -> HttpResponse:
    if request.method != "POST":  # back from signing in after a refusal was shown
        return redirect("tournament", tournament_id=tournament_id)
    agents = agent_cards(request.user.pk, with_records=False)
    form = EnterForm(request.POST, choices=[(agent.agent_id, agent.name) for agent in agents])
    if not form.is_valid():
        refusal = "The form was incomplete and has been restored. Please try again."
        if "agent" in form.errors:
            refusal = "Choose one of your agents to register."
        return _page(request, tournament_id, refusal=refusal, chosen=form.cleaned_data.get("agent"))
    try:
        register(
            request.user.pk,
            agent_id=form.cleaned_data["agent"],
            tournament_id=tournament_id,
            registration_id=form.cleaned_data["entry_id"],
            agreed_credits=form.cleaned_data["fee"],
        )
    except Refused as error:
        agent = form.cleaned_data["agent"]
        return _page(request, tournament_id, refusal=str(error), chosen=agent)
    return redirect("tournament", tournament_id=tournament_id)


@owner_page("POST")
def withdraw_agent(request: SignedInRequest, registration_id: uuid.UUID) -> HttpResponse:
    try:
        withdrawn = withdraw(
            request.user.pk,
            registration_id=registration_id,
            only_before_start="before_start" in request.POST,
        )
    except Refused as error:
        refuse(request, error)
        return redirect("tournaments")
    messages.success(request, "Your agent was withdrawn.")
    return redirect("tournament", tournament_id=withdrawn.tournament_id)


def _page(
    request: HttpRequest, tournament_id: int, *, refusal: str = "", chosen: int | None = None
) -> HttpResponse:
    user_id = viewer_id(request)
    shown = tournament_view(tournament_id, viewer=user_id)
    context = {"tournament": shown, "was": shown.card.status, "refusal": refusal}
    if user_id is not None:
        agents = agent_cards(user_id, with_records=False)
        fitting = [agent for agent in agents if agent.base_model_id == shown.card.base_model_id]
        context |= {
            "form": EnterForm.offering(
                fitting, fee=shown.card.fee_credits, terms="", chosen=chosen
            ),
            "fitting": fitting,
            "balance": wallet_balance(user_id),
        }
    status = 422 if refusal else 200
    # Each form has an id of its own; a page from the browser's cache would send an old one.
    return not_cached(render(request, "tournaments/detail.html", context, status=status))
