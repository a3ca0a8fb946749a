"""The steps of one training run: prepare, follow its trainer, store the adapter, judge.

Every step may be repeated: a worker that takes over a run finds what the last one left (practice
answers, a dataset, a checkpoint, a finished trainer's result, a child version, the gate's
figures) and continues from there. `training.worker.batch` combines the steps.
"""

import os
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings
from django.db.models import F

from agents.adapters.store import adapter_folder, store_adapter
from agents.inference.client import Sampling, served_model
from agents.inference.table import known_servers
from agents.models import AgentVersion
from agents.roster import activate_child, add_trained_version
from arena.leases import LeaseLost
from arena.panels.tools import build_tools
from training.configs.configs import Adoption
from training.data.dataset import (
    DATASET_FILE,
    available_threads,
    manifest_digest,
    write_dataset,
)
from training.data.pair_dataset import pair_dataset
from training.gate.drift import trainer_view
from training.gate.evaluate import evaluate
from training.gate.exams import exam_source, own_exam, probe_exams
from training.gate.record import GateRecord, gate_from_json
from training.gate.sitting import Contestants
from training.methods import method_of
from training.methods.examples import GROUPS
from training.models import TrainingRun
from training.practice.group_dataset import group_dataset
from training.practice.practice import practise
from training.practice.rehearsal import prepare_rehearsal, rehearsal_facts, rehearsal_file
from training.runs.attempts import finished_attempt, new_attempt
from training.runs.lease import (
    Lease,
    Leases,
    held_run,
    move_run,
    record,
    run_lease_ends,
)
from training.runs.moves import apply_event
from training.runs.spec import RunSpec, whole_runs
from training.states import RunEvent, RunStatus
from training.trainers.job import ADAPTER_FOLDER, CANCEL, PAUSE, Job, read_result
from training.worker.child import result_of

MAX_CURVE_POINTS = 300
SHOWN = (
    "stage",
    "step",
    "steps",
    "seconds",
    "remaining_seconds",
    "tokens_per_second",
    "memory_bytes",
)

JSON = dict[str, Any]


def spec_of(lease: Lease) -> RunSpec:
    """What the other steps need to know about the run. Raises LeaseLost or InvalidConfig."""
    return RunSpec.of(run_of(lease))


class TurnOver(Exception):
    """The run practised for as long as one turn may; what it has drawn and judged stays."""


def prepare(
    lease: Lease, spec: RunSpec, leases: Leases, *, is_turn_over: Callable[[], bool]
) -> Path | None:
    """The folder with everything that a trainer needs, or the folder of one that has finished.

    None for a run that has been trained, or has nothing to train: an upload. `is_turn_over` is asked every few seconds of practice.
    Raises Refused if there is nothing to learn from, TurnOver, InferenceUnavailable, LeaseLost.
    """
    run, parent = spec.run, spec.parent.adapter
    if run.status != RunStatus.TRAINING:
        return None
    if run.is_upload:
        move_run(lease, RunEvent.TRAINED, attempts=1, outage_since=None)
        return None
    if finished := finished_attempt(run.pk):
        return finished
    parent_folder = adapter_folder(parent.digest, verify=True) if parent else ""
    dataset, manifest = spec.folder / DATASET_FILE, spec.manifest
    # Written once: a checkpoint's position refers to exactly this dataset.
    if not (manifest and dataset.exists()):
        if spec.config.rehearsal:
            _with_heartbeat(lease, leases, partial(prepare_rehearsal, spec))
        if method_of(spec.config).practice(spec.config):
            _with_heartbeat(
                lease, leases, partial(practise, spec), is_own=True, is_turn_over=is_turn_over
            )
        manifest = make_dataset(spec)
        record(lease, manifest=manifest, manifest_digest=manifest_digest(manifest))
    rehearsed = manifest.get("rehearsal", {}).get("texts", 0)
    folder = new_attempt(run.pk)
    job = Job(
        base_path=str(spec.base_folder),
        dataset_path=str(dataset),
        parent_adapter_path=str(parent_folder),
        threads=available_threads(),
        device=settings.ENV.train_device,
        worker_pid=os.getpid(),
        config=spec.config,
        rehearsal_path=str(rehearsal_file(spec)) if rehearsed else "",
    )
    job.write(folder)
    leases.keep(lease)
    return folder


class Follower:
    """Records a trainer's progress with its run, and stops the trainer once the run is lost."""

    def __init__(self, lease: Lease, leases: Leases) -> None:
        self._lease = lease
        self._leases = leases
        known = TrainingRun.objects.only("progress").get(id=lease.run_id)
        self._furthest_step = known.progress.get("furthest_step", 0)
        self._progress: JSON = {}
        self._curve: list[JSON] = []

    def __call__(self, lines: list[JSON]) -> str:
        """The word for the trainer; "" to continue."""
        for line in lines:
            self._progress |= line
            if "step" in line:
                self._curve = [*before(self._curve, line["step"]), line]
        self._curve = thinned(self._curve)
        try:
            if lines:
                self._record()
            else:
                self._leases.keep(self._lease)
        except LeaseLost:
            run = TrainingRun.objects.only("status").get(id=self._lease.run_id)
            # A run that continues later, here or elsewhere, should resume from where it is now.
            return CANCEL if RunStatus(run.status).is_final else PAUSE
        return ""

    def _record(self) -> None:
        fields: JSON = {"curve": self._curve}
        step = self._progress.get("step", 0)
        if step > self._furthest_step:
            # The run has got past whatever interrupted earlier attempts.
            self._furthest_step = step
            fields["attempts"] = 1
        progress = shown(self._progress) | {"furthest_step": self._furthest_step}
        record(self._lease, progress=progress, **fields)


def finish(lease: Lease, spec: RunSpec, folder: Path, *, returncode: int) -> None:
    """Make the agent's next version from the trainer's result.

    Raises what result_of raises, BadAdapter, OSError, LeaseLost.
    """
    run = run_of(lease)
    result = result_of(folder, returncode=returncode)
    figures = {name: value for name, value in result.items() if name != "drift"}
    record(lease, progress=run.progress | {"result": figures})
    adapter = store_adapter(
        folder / ADAPTER_FOLDER,
        base_model=spec.run.agent.base_model,
        parent=spec.parent.adapter,
    )
    with held_run(lease) as locked:
        version = add_trained_version(
            run.agent_id, parent_version_id=run.parent_version_id, adapter_id=adapter.pk
        )
        apply_event(
            locked,
            RunEvent.TRAINED,
            child_version_id=version.pk,
            lease_expires_at=run_lease_ends(),
            attempts=1,  # the evaluation starts with a fresh count of them
            outage_since=None,
        )


def judge(lease: Lease, spec: RunSpec, leases: Leases) -> None:
    """Evaluate the new version, and adopt, offer or reject it.

    Raises InferenceUnavailable, AdapterRefused, GateInconclusive, LeaseLost.
    """
    run = run_of(lease)
    child, gate = run.child_version, gate_from_json(run.gate)
    assert child is not None, "a run is evaluated once its version exists"
    if gate is None:
        gate = _evaluate(lease, spec, leases, run=run, child=child)
        record(lease, gate=gate.as_json())
    is_by_hand = spec.config.adoption == Adoption.BY_HAND
    with held_run(lease) as locked:
        if not gate.passed:
            apply_event(locked, RunEvent.REJECT, reason=f"Not adopted. {gate.in_words()}")
        elif is_by_hand:
            apply_event(
                locked,
                RunEvent.OFFER,
                reason=f"Version {child.number} awaits your decision. {gate.in_words()}",
            )
        elif activate_child(run.agent_id, version_id=child.pk):
            apply_event(locked, RunEvent.ADOPT, reason=f"Adopted. {gate.in_words()}")
        else:
            apply_event(
                locked,
                RunEvent.REJECT,
                reason=(
                    "The agent's version changed in the meantime. Activate version "
                    f"{child.number} by hand if you want it. {gate.in_words()}"
                ),
            )


def run_of(lease: Lease) -> TrainingRun:
    """The current run. Raises LeaseLost."""
    run = whole_runs().filter(id=lease.run_id, lease_owner=lease.owner).first()
    if run is None:
        raise LeaseLost
    return run


def before(curve: list[JSON], step: int) -> list[JSON]:
    """The points before the step: a trainer that continues from a checkpoint repeats later ones."""
    return [point for point in curve if point["step"] < step]


def thinned(curve: list[JSON]) -> list[JSON]:
    """At most MAX_CURVE_POINTS points; the first and the last always stay."""
    while len(curve) > MAX_CURVE_POINTS:
        curve = [*curve[:-1:2], curve[-1]]
    return curve


def shown(latest: JSON) -> JSON:
    """What a run's page shows of the latest progress."""
    return {name: latest[name] for name in SHOWN if name in latest}


class _ServedTime:
    """Counts the seconds since the last look towards the run's turns, once each."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._since = monotonic()

    def count(self, **fields: Any) -> None:
        """Record the seconds together with the fields. Raises LeaseLost."""
        now = monotonic()
        record(self._lease, served_seconds=F("served_seconds") + (now - self._since), **fields)
        self._since = now


def _with_heartbeat(
    lease: Lease,
    leases: Leases,
    work: Callable[..., Awaitable[None]],
    *,
    is_own: bool = False,
    is_turn_over: Callable[[], bool] = lambda: False,
) -> None:
    """Run `work(heartbeat=...)`, whose sentences the run shows while its lease is kept.

    The time of `is_own` work counts in its owner's turns; other work serves all agents of a base.
    """
    served = _ServedTime(lease)

    def beat(sentence: str) -> None:
        leases.keep(lease)
        fields: JSON = {"progress": {"stage": sentence}} if sentence else {}
        if is_own:
            served.count(**fields)
        elif fields:
            record(lease, **fields)
        if is_turn_over():
            raise TurnOver

    async def heartbeat(sentence: str) -> None:
        await sync_to_async(beat)(sentence)

    async_to_sync(work)(heartbeat=heartbeat)
    if is_own:
        served.count()


def _evaluate(
    lease: Lease, spec: RunSpec, leases: Leases, *, run: TrainingRun, child: AgentVersion
) -> GateRecord:
    """`run`: read now, so that its Space is what it is after training."""
    parent = spec.parent
    contestants = Contestants(
        parent=served_model(parent),
        child=served_model(child),
        prompt=parent.prompt,
        sampling=Sampling.from_json(parent.sampling),
    )

    folder = finished_attempt(spec.run.pk)
    result = read_result(folder) if folder else None

    served = _ServedTime(lease)

    def beat() -> None:
        leases.keep(lease)
        served.count()

    async def heartbeat() -> None:
        await sync_to_async(beat)()

    gate: GateRecord = async_to_sync(evaluate)(
        contestants,
        own=own_exam(run),
        probes=probe_exams(run.space),
        trained=trainer_view(result or {}, precision=spec.config.precision),
        tools=build_tools(),
        servers=known_servers(),
        rng=exam_source(spec.run.pk),
        heartbeat=heartbeat,
    )
    return gate


def make_dataset(spec: RunSpec) -> JSON:
    """Write the dataset of the kind that the run's method learns from; return the manifest."""
    has_groups = method_of(spec.config).examples is GROUPS
    dataset = group_dataset(spec) if has_groups else pair_dataset(spec)
    return write_dataset(spec, dataset, rehearsal=rehearsal_facts(spec))
