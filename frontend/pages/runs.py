"""Training runs: progress, curve, gate figures, manifest. Anybody may look."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render

from agents.errors import Refused
from arena import access
from frontend.pages.edge import (
    SignedInRequest,
    not_cached,
    owner_page,
    public_page,
    refuse,
    viewer_id,
)
from training.configs import METHODS, Method
from training.jobs import cancel_run
from training.queries import RunView, run_view

STAGES = (("queued", "Queued"), ("training", "Training"), ("evaluating", "Gate"))


@public_page()
def run_detail(request: HttpRequest, run_id: int) -> HttpResponse:
    return not_cached(render(request, "runs/detail.html", _context(request, run_view(run_id))))


@public_page()
def state(request: HttpRequest, run_id: int) -> HttpResponse:
    """The fragment that follows the run."""
    context = _context(request, run_view(run_id))
    return not_cached(render(request, "runs/detail.html#state", context))


@public_page()
def curve(request: HttpRequest, run_id: int) -> HttpResponse:
    """Columns for the chart."""
    run = run_view(run_id)
    names = ("step", "loss", "reward_margin", "accuracy")
    columns = {name: [point.get(name) for point in run.curve] for name in names}
    return not_cached(JsonResponse({"is_final": run.is_final} | columns))


@public_page()
def manifest(request: HttpRequest, run_id: int) -> HttpResponse:
    run = run_view(run_id)
    response = JsonResponse(
        {"manifest": run.manifest, "sha256": run.manifest_digest},
        json_dumps_params={"indent": 2, "sort_keys": True},
    )
    response["Content-Disposition"] = f'attachment; filename="run-{run.run_id}-manifest.json"'
    return response


@owner_page("POST")
def cancel(request: SignedInRequest, run_id: int) -> HttpResponse:
    run = run_view(run_id)
    access.agent_for_owner(request.user.pk, run.agent_id)
    try:
        cancel_run(run_id)
    except Refused as error:
        refuse(request, error)
    return redirect("run", run_id=run_id)


def _context(request: HttpRequest, run: RunView) -> dict[str, object]:
    return {
        "run": run,
        "is_owner": run.owner_id == viewer_id(request),
        "stages": _stages(run),
        "settings": [
            {
                "label": setting.label,
                "explanation": setting.explanation,
                "value": run.config[setting.name],
            }
            for setting in METHODS[Method(run.method)].described()
            if setting.name in run.config
        ],
    }


def _stages(run: RunView) -> list[dict[str, object]]:
    """Where the run stands; the last stage bears its result."""
    names = [name for name, _ in STAGES]
    at = names.index(run.status) if run.status in names else len(names)
    stages: list[dict[str, object]] = [
        {"label": label, "is_done": position < at, "is_current": position == at}
        for position, (_, label) in enumerate(STAGES)
    ]
    label = run.status.capitalize() if run.is_final else "Decision"
    return [*stages, {"label": label, "is_done": False, "is_current": run.is_final}]
