"""An agent's autopilot."""

from dataclasses import fields
from typing import Any

from django.http import HttpRequest
from ninja import Router

from agents.api_tokens import Scope
from agents.errors import NotAvailable
from arena.credits.brakes import AutopilotLimits
from arena.queries import AutopilotView, autopilot_view
from arena.spaces.autopilot import dismiss_notice, switch_off, switch_on
from frontend.api.edge import answers, needs, user_id
from frontend.api.values import NewAutopilot, RowId

router = Router()


@router.get(
    "/{agent_id}/autopilot",
    response=answers(AutopilotView),
    **needs(Scope.READ),
    summary="An agent’s autopilot",
)
def detail(request: HttpRequest, agent_id: RowId) -> Any:
    """The newest one, on or stopped: its limits, what it did, and what stopped it."""
    return _shown(request, agent_id)


@router.put(
    "/{agent_id}/autopilot",
    response=answers(AutopilotView),
    **needs(Scope.PLAY),
    summary="Switch an agent’s autopilot on, or change its limits",
)
def set_limits(request: HttpRequest, agent_id: RowId, new: NewAutopilot) -> Any:
    """It then enters the Spaces by itself, which costs credits, until a brake stops it."""
    limits = {each.name: getattr(new, each.name) for each in fields(AutopilotLimits)}
    switch_on(
        user_id(request),
        agent_id=agent_id,
        space_slugs=new.spaces,
        limits=AutopilotLimits(**limits),
    )
    return _shown(request, agent_id)


@router.post(
    "/{agent_id}/autopilot/off",
    response=answers(AutopilotView),
    **needs(Scope.PLAY),
    summary="Switch an agent’s autopilot off",
)
def off(request: HttpRequest, agent_id: RowId) -> Any:
    """An entry that waits or plays is not touched."""
    switch_off(user_id(request), agent_id=agent_id)
    return _shown(request, agent_id)


@router.post(
    "/{agent_id}/autopilot/dismiss",
    response=answers(AutopilotView),
    **needs(Scope.PLAY),
    summary="Dismiss the notice of what stopped an autopilot",
)
def dismiss(request: HttpRequest, agent_id: RowId) -> Any:
    dismiss_notice(user_id(request), agent_id=agent_id)
    return _shown(request, agent_id)


def _shown(request: HttpRequest, agent_id: int) -> AutopilotView:
    found = autopilot_view(agent_id, viewer=user_id(request))
    if found is None:
        raise NotAvailable("This agent has had no autopilot so far.")
    return found
