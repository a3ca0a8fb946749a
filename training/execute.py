"""The whole life of a training run: dataset, trainer, store, gate, adoption.

Every step may be repeated: a worker that takes a run over finds what the last one left (a
finished trainer's result, a child version, the gate's figures) and goes on from there. A
trainer that died in the middle starts over.
"""

import os
from pathlib import Path
from typing import Any

import structlog
from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings

from agents.adapters import adapter_folder, store_adapter
from agents.errors import Refused
from agents.inference import InferenceUnavailable, Sampling, served_model
from agents.models import Adapter, AgentVersion, VersionOrigin
from agents.roster import activate_child, add_trained_version
from arena.environments import ENVIRONMENTS
from arena.judge_rounds import panel_of
from arena.judge_tools import build_tools
from training.child import run_trainer
from training.configs import DPOConfig
from training.datasets import (
    DATASET_FILE,
    available_threads,
    manifest_digest,
    run_folder,
    write_dataset,
)
from training.gate import Contestants, GateInconclusive, evaluate
from training.job_state import RunEvent, RunStatus
from training.lease import (
    Lease,
    LeaseLost,
    claim_run,
    move_run,
    postpone_run,
    record,
    record_progress,
    renew,
)
from training.models import TrainingRun
from training.trainers.job import ADAPTER_FOLDER, Job, read_result

TRAINERS = {"dpo": "training.trainers.dpo"}
ATTEMPT = "attempt-"  # folder of one trainer process
MAX_CURVE_POINTS = 300

log = structlog.get_logger(__name__)


def execute_run(run_id: int) -> None:
    """Take the run if it waits, and bring it to its end."""
    lease = claim_run(run_id)
    if lease is None:
        return
    try:
        _bring_to_end(lease)
    except LeaseLost:
        log.info("run_lease_lost", run_id=run_id)


def _bring_to_end(lease: Lease) -> None:
    try:
        if _run(lease).status == RunStatus.TRAINING:
            _train(lease)
        _judge(lease)
    except (InferenceUnavailable, GateInconclusive) as error:
        log.warning("run_postponed", run_id=lease.run_id, reason=str(error))
        postpone_run(
            lease,
            reason=f"The new version waits for its evaluation: {error}",
            is_outage=isinstance(error, InferenceUnavailable),
        )
    except OSError as error:
        log.exception("run_postponed", run_id=lease.run_id)
        why = error.strerror or type(error).__name__
        postpone_run(lease, reason=f"The training machine could not use its files ({why}).")
    except Refused as error:
        move_run(lease, RunEvent.FAIL, reason=str(error))


def _train(lease: Lease) -> None:
    run = _run(lease)
    parent = run.parent_version.adapter
    parent_folder = adapter_folder(parent.digest, verify=True) if parent else None
    manifest = write_dataset(run)
    record(lease, manifest=manifest, manifest_digest=manifest_digest(manifest))
    folder = _finished_attempt(run)
    if folder is None:
        folder = run_folder(run.pk) / f"{ATTEMPT}{run.attempts}"
        _run_trainer(lease, run, folder, parent_folder)
    adapter = store_adapter(folder / ADAPTER_FOLDER, base_model=run.agent.base_model, parent=parent)
    version = _child_version(run, adapter)
    move_run(lease, RunEvent.TRAINED, child_version_id=version.pk)


def _run_trainer(lease: Lease, run: TrainingRun, folder: Path, parent_folder: Path | None) -> None:
    folder.mkdir(parents=True)  # a new one: a dead trainer's stays as it was left
    job = Job(
        base_path=run.agent.base_model.path,
        dataset_path=str(run_folder(run.pk) / DATASET_FILE),
        parent_adapter_path=str(parent_folder or ""),
        threads=available_threads(),
        device=settings.ENV.train_device,
        worker_pid=os.getpid(),
        config=DPOConfig.from_json(run.config),
    )
    job.write(folder)
    progress: dict[str, Any] = {}
    curve: list[dict[str, Any]] = []

    def follow(lines: list[dict[str, Any]]) -> None:
        if not lines:
            renew(lease)
            return
        for line in lines:
            if "step" in line:
                curve.append(line)
            progress.update(line)
        curve[:] = thinned(curve)
        record_progress(lease, progress=_shown(progress), curve=curve)

    record_progress(lease, progress={}, curve=[])
    result = run_trainer(folder, module=TRAINERS[run.method], on_lines=follow)
    record_progress(lease, progress=_shown(progress) | {"result": result}, curve=curve)


def _judge(lease: Lease) -> None:
    run = _run(lease)
    child = run.child_version
    assert child is not None, "a run is evaluated once its version exists"
    gate = run.gate
    if "adopted" not in gate:
        gate = _gate_figures(lease, run)
        record(lease, gate=gate)
    if not gate["adopted"]:
        move_run(lease, RunEvent.REJECT, reason=f"Not adopted: {in_words(gate)}")
    # Activated before the run says so: a worker that dies in between is repeated, and an
    # activated child is found to be current already.
    elif activate_child(run.agent_id, version_id=child.pk):
        move_run(lease, RunEvent.ADOPT, reason=f"Adopted: {in_words(gate)}")
    else:
        move_run(
            lease,
            RunEvent.REJECT,
            reason=(
                "The agent's version changed while it trained; activate version "
                f"{child.number} by hand if you want it: {in_words(gate)}"
            ),
        )


def _gate_figures(lease: Lease, run: TrainingRun) -> dict[str, Any]:
    parent, child = run.parent_version, run.child_version
    assert child is not None, "see _judge"
    contestants = Contestants(
        parent=served_model(parent),
        child=served_model(child),
        prompt=parent.prompt,
        sampling=Sampling.from_json(parent.sampling),
    )

    async def heartbeat() -> None:
        await sync_to_async(renew)(lease)

    figures: dict[str, Any] = async_to_sync(evaluate)(
        contestants,
        environment=ENVIRONMENTS[run.space.environment],
        panel=panel_of(tuple((seat["judge"], seat["weight"]) for seat in run.space.panel)),
        tools=build_tools(),
        seed=str(run.pk),
        task_count=settings.ENV.gate_tasks,
        heartbeat=heartbeat,
    )
    return figures


def in_words(gate: dict[str, Any]) -> str:
    """The gate's figures as a sentence."""
    parent, child = gate["parent"], gate["child"]
    return (
        f"on {gate['tasks']} held-out tasks the mean scores are {child['mean']:.3f} (new) and "
        f"{parent['mean']:.3f} (parent), {child['passed']} and {parent['passed']} passed; with "
        f"{gate['confidence']:.0%} confidence the difference of {gate['difference']:+.3f} is "
        f"above {gate['lower_bound']:+.3f}, where at least {-gate['margin']:+.3f} is asked."
    )


def thinned(curve: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """At most MAX_CURVE_POINTS points; the first and the last always stay."""
    while len(curve) > MAX_CURVE_POINTS:
        curve = [*curve[:-1:2], curve[-1]]
    return curve


def _child_version(run: TrainingRun, adapter: Adapter) -> AgentVersion:
    # A worker that died between the version's birth and the run's record left one behind.
    orphan = AgentVersion.objects.filter(
        agent_id=run.agent_id,
        parent_id=run.parent_version_id,
        adapter=adapter,
        origin=VersionOrigin.TRAINED,
        made_by_run=None,
    ).first()
    return orphan or add_trained_version(
        run.agent_id, parent_version_id=run.parent_version_id, adapter_id=adapter.pk
    )


def _finished_attempt(run: TrainingRun) -> Path | None:
    for folder in sorted(run_folder(run.pk).glob(f"{ATTEMPT}*")):
        result = read_result(folder)
        if result and "error" not in result and (folder / ADAPTER_FOLDER).is_dir():
            return folder
    return None


def _shown(latest: dict[str, Any]) -> dict[str, Any]:
    names = ("stage", "step", "steps", "seconds", "remaining_seconds", "tokens_per_second")
    return {name: latest[name] for name in names if name in latest}


def _run(lease: Lease) -> TrainingRun:
    return TrainingRun.objects.select_related(
        "agent__base_model",
        "space",
        "parent_version__adapter",
        "parent_version__agent__base_model",
        "child_version__adapter",
        "child_version__agent__base_model",
    ).get(id=lease.run_id)
