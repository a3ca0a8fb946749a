"""Training runs: progress, curves, gate figures, manifest. Anybody may look; the owner acts."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render

from agents.errors import Refused
from frontend.pages.edge import (
    SignedInRequest,
    not_cached,
    owner_page,
    public_page,
    refuse,
    viewer_id,
)
from frontend.run_views import (
    charts_of,
    columns_of,
    dataset_of,
    gate_of,
    settings_of,
    stages_of,
    verbs_of,
    words_of,
)
from training.methods import METHODS
from training.runs import steering
from training.runs.queries import RunView, run_view
from training.states import RunStatus

HEADINGS: Mapping[RunStatus, str] = {
    RunStatus.QUEUED: "Waiting for a trainer",
    RunStatus.TRAINING: "Training",
    RunStatus.EVALUATING: "At the gate",
    RunStatus.PAUSED: "Paused",
    RunStatus.ADOPTED: "The new version was adopted",
    RunStatus.OFFERED: "Passed the gate",
    RunStatus.REJECTED: "The new version was not adopted",
    RunStatus.FAILED: "The run failed",
    RunStatus.CANCELLED: "Cancelled",
}


@public_page()
def run_detail(request: HttpRequest, run_id: int) -> HttpResponse:
    return not_cached(render(request, "runs/detail.html", _context(_run(request, run_id))))


@public_page()
def state(request: HttpRequest, run_id: int) -> HttpResponse:
    """The fragment that shows the run's progress."""
    context = _context(_run(request, run_id))
    return not_cached(render(request, "runs/detail.html#state", context))


@public_page()
def curve(request: HttpRequest, run_id: int) -> HttpResponse:
    """Columns for the charts."""
    run = _run(request, run_id)
    return not_cached(JsonResponse({"is_final": run.is_final, "columns": columns_of(run)}))


@public_page()
def manifest(request: HttpRequest, run_id: int) -> HttpResponse:
    run = _run(request, run_id)
    response = JsonResponse(
        {"manifest": run.manifest, "sha256": run.manifest_digest},
        json_dumps_params={"indent": 2, "sort_keys": True},
    )
    response["Content-Disposition"] = f'attachment; filename="run-{run.run_id}-manifest.json"'
    return response


@owner_page("POST")
def pause(request: SignedInRequest, run_id: int) -> HttpResponse:
    return _act(request, run_id, steering.pause_run)


@owner_page("POST")
def resume(request: SignedInRequest, run_id: int) -> HttpResponse:
    return _act(request, run_id, steering.resume_run)


@owner_page("POST")
def cancel(request: SignedInRequest, run_id: int) -> HttpResponse:
    is_promised = "before_charge" in request.POST
    verb = partial(steering.cancel_run, only_before_charge=is_promised)
    return _act(request, run_id, verb)


@owner_page("POST")
def adopt(request: SignedInRequest, run_id: int) -> HttpResponse:
    said = "Version {child} plays from the next match on."
    return _act(request, run_id, steering.adopt_offered, said=said)


@owner_page("POST")
def decline(request: SignedInRequest, run_id: int) -> HttpResponse:
    said = "Version {child} does not play. It stays in the history."
    return _act(request, run_id, steering.decline_offered, said=said)


class Verb(Protocol):
    """What an owner does with a run."""

    def __call__(self, user_id: int, *, run_id: int) -> None: ...


def _act(request: SignedInRequest, run_id: int, verb: Verb, *, said: str = "") -> HttpResponse:
    try:
        verb(request.user.pk, run_id=run_id)
    except Refused as error:
        refuse(request, error)
    else:
        if said:
            messages.success(request, said.format(child=_run(request, run_id).child_number))
    return redirect("run", run_id=run_id)


def _run(request: HttpRequest, run_id: int) -> RunView:
    return run_view(run_id, viewer=viewer_id(request))


def _heading(run: RunView) -> str:
    status = RunStatus(run.status)
    if run.is_upload and status in (RunStatus.QUEUED, RunStatus.TRAINING):
        return "Waiting for the gate"
    return HEADINGS[status]


def _context(run: RunView) -> dict[str, Any]:
    method = METHODS.get(run.method)
    return {
        "run": run,
        "is_owner": run.is_own,
        "heading": _heading(run),
        "method": words_of(run.method),
        "noun": method.examples.noun if method else "examples",
        "stages": stages_of(run),
        "verbs": verbs_of(run.status),
        "charts": charts_of(run),
        "gate_view": gate_of(run.gate) if run.gate else None,
        "dataset": dataset_of(run.manifest),
        "settings": settings_of(run),
    }
