"""An agent's autopilot: its limits, what it did, and the notice of what stopped it."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from agents.errors import NotAvailable, Refused
from arena import access
from arena.credits.brakes import BadLimits
from arena.queries import autopilot_view, flight_spaces, wallet_balance
from arena.spaces.autopilot import dismiss_notice, switch_off, switch_on
from frontend.forms import AutopilotForm
from frontend.pages.edge import SignedInRequest, not_cached, owner_page


@owner_page("GET", "HEAD", "POST")
def autopilot(request: SignedInRequest, agent_id: int) -> HttpResponse:
    viewer = request.user.pk
    agent = access.agent_for_owner(viewer, agent_id)
    spaces = flight_spaces(agent.base_model_id)
    flown = autopilot_view(agent_id, viewer=viewer)
    form = AutopilotForm.of(flown, spaces=spaces)
    if request.method == "POST":
        form = AutopilotForm(request.POST, spaces=spaces)
        if form.is_valid() and _switched_on(request, form, agent_id):
            return redirect("autopilot", agent_id=agent_id)
    context = {
        "agent": agent,
        "form": form,
        "spaces": spaces,
        "flown": flown,
        "balance": wallet_balance(viewer),
    }
    page = render(request, "autopilot/page.html", context, status=422 if form.errors else 200)
    return not_cached(page)


@owner_page()
def state(request: SignedInRequest, agent_id: int) -> HttpResponse:
    """What the autopilot does and did, refreshed while the page is open."""
    agent = access.agent_for_owner(request.user.pk, agent_id)
    flown = autopilot_view(agent_id, viewer=request.user.pk)
    template = "autopilot/card.html" if "card" in request.GET else "autopilot/flown.html"
    context = {
        "agent": agent,
        "agent_id": agent.pk,
        "is_retired": agent.retired_at is not None,
        "flown": flown,
    }
    return not_cached(render(request, template, context))


@owner_page("POST")
def off(request: SignedInRequest, agent_id: int) -> HttpResponse:
    switch_off(request.user.pk, agent_id=agent_id)
    messages.success(request, "The autopilot is off. A match under way is still played.")
    return redirect("autopilot", agent_id=agent_id)


@owner_page("POST")
def dismiss(request: SignedInRequest, agent_id: int) -> HttpResponse:
    dismiss_notice(request.user.pk, agent_id=agent_id)
    return redirect("agent", agent_id=agent_id)


def _switched_on(request: SignedInRequest, form: AutopilotForm, agent_id: int) -> bool:
    """Whether it worked; else the form says why not."""
    try:
        switch_on(
            request.user.pk,
            agent_id=agent_id,
            space_slugs=form.cleaned_data["spaces"],
            limits=form.limits(),
            only_if_on="was_on" in request.POST,
        )
    except BadLimits as error:
        for name, problem in error.problems.items():
            form.add_error(name, problem)
        return False
    except NotAvailable:
        raise
    except Refused as error:
        form.add_error(None, str(error))
        return False
    messages.success(request, "The autopilot is on. It enters within seconds.")
    return True
