"""Training runs."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from ninja import Router, Status

from agents.api_tokens import Scope
from frontend.api.edge import answers, needs, user_id, viewer
from frontend.api.values import IdempotencyKey, NewRun, RowId
from training.runs import steering
from training.runs.queries import RunView, run_view
from training.runs.starting import request_run

router = Router()


@router.post(
    "", response=answers(RunView, status=201), **needs(Scope.TRAIN), summary="Train an agent now"
)
def start(request: HttpRequest, new: NewRun, idempotency_key: IdempotencyKey) -> Any:
    """Holds the price of the run, and returns what is not used of it."""
    run = request_run(
        user_id(request),
        agent_id=new.agent_id,
        space_id=new.space_id,
        request_id=idempotency_key,
    )
    return Status(201, run_view(run.pk, viewer=user_id(request)))


@router.get("/{run_id}", response=answers(RunView), summary="A run")
def detail(request: HttpRequest, run_id: RowId) -> Any:
    return run_view(run_id, viewer=viewer(request))


def _steering(verb: Callable[..., None], name: str, summary: str) -> None:
    @router.post(
        f"/{{run_id}}/{name}",
        response=answers(RunView),
        **needs(Scope.TRAIN),
        summary=summary,
        operation_id=f"runs_{name}",
    )
    def steer(request: HttpRequest, run_id: RowId) -> Any:
        verb(user_id(request), run_id=run_id)
        return run_view(run_id, viewer=user_id(request))


_steering(steering.pause_run, "pause", "Pause a run")
_steering(steering.resume_run, "resume", "Resume a paused run")
_steering(steering.cancel_run, "cancel", "Cancel a run")
_steering(steering.adopt_offered, "adopt", "Play with the version that a run offers")
_steering(steering.decline_offered, "decline", "Decline the version that a run offers")
