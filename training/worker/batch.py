"""Executes waiting runs: several of one base and precision in one trainer process.

Each run's outcome is recorded with it and does not affect the others.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog
from django.conf import settings
from django.db import connections

from agents.adapters.store import AdapterCorrupt, AdapterMissing
from agents.errors import Refused
from agents.inference.client import AdapterRefused, InferenceUnavailable
from arena.environments.base import EnvironmentFault
from arena.leases import LeaseLost
from training.configs.fields import InvalidConfig
from training.data.tokens import BaseUnreadable
from training.gate.evaluate import GateInconclusive, GateUnjudged
from training.practice.group_dataset import NotJudged
from training.runs.attempts import is_finished
from training.runs.claiming import MAX_ATTEMPTS, claim_together, is_another_due
from training.runs.lease import Lease, Leases, move_run, postpone_run, yield_turn
from training.runs.spec import RunSpec
from training.states import RunEvent
from training.worker.child import (
    FollowedJob,
    TrainerDied,
    TrainerKilled,
    TrainerPostponed,
    run_trainer,
)
from training.worker.steps import Follower, TurnOver, finish, judge, prepare, run_of, spec_of

T = TypeVar("T")

# Runs that use the inference servers at the same time. Why: docs/decisions/practice-concurrency.md
ASKING_AT_ONCE = 2
# After this time, runs of a batch that still practise make room for others, if any wait. Why:
# docs/decisions/practice-turns.md
PRACTICE_SECONDS = 15 * 60.0

log = structlog.get_logger(__name__)


def train_due() -> int:
    """Work on the fairest waiting run and those that can share its process; returns how many."""
    claimed = claim_together(settings.ENV.training_together)
    with ThreadPoolExecutor(ASKING_AT_ONCE) as pool:
        _Batch(claimed, pool).work()
    return len(claimed)


class _Batch:
    """The runs that a worker has taken together.

    They are prepared and trained together; each is evaluated as soon as it has trained, while the
    others continue.
    """

    def __init__(self, claimed: Sequence[Lease], pool: ThreadPoolExecutor) -> None:
        self._leases = Leases(claimed)
        self._pool = pool if len(claimed) > 1 else None
        self._specs: dict[Lease, RunSpec] = {}
        self._prepared: set[Lease] = set()
        self._folders: dict[Lease, Path] = {}
        self._waiting = list(claimed)  # still to be finished
        self._practice_ends = time.monotonic() + PRACTICE_SECONDS

    def work(self) -> None:
        prepared = self._each(self._prepare)
        self._waiting = [lease for lease in self._waiting if lease in self._specs]
        self._folders = {lease: folder for lease, folder in prepared.items() if folder}
        try:
            returncode = self._train()
        except OSError as error:
            for lease in self._folders.keys() & set(self._waiting):
                _record_fault(lease, error)
        else:
            self._each(partial(self._end, returncode=returncode))

    def _prepare(self, lease: Lease) -> Path | None:
        # Read at its turn: until then another worker may have taken the run.
        spec = self._specs[lease] = spec_of(lease)
        folder = prepare(lease, spec, self._leases, is_turn_over=partial(self._is_turn_over, lease))
        self._prepared.add(lease)
        return folder

    def _is_turn_over(self, lease: Lease) -> bool:
        """Whether the run has practised long enough for those that wait, in the batch or for it."""
        if time.monotonic() < self._practice_ends:
            return False
        return bool(self._prepared) or is_another_due(lease.run_id)

    def _train(self) -> int:
        jobs = [
            FollowedJob(folder, Follower(lease, self._leases), partial(self._end_early, lease))
            for lease, folder in self._folders.items()
            if not is_finished(folder)
        ]
        return run_trainer(jobs) if jobs else 0

    def _end_early(self, lease: Lease) -> None:
        if self._pool:
            self._waiting.remove(lease)
            self._pool.submit(_attempt_in_thread, lease, self._end)

    def _end(self, lease: Lease, *, returncode: int = 0) -> None:
        spec = self._specs[lease]
        if folder := self._folders.get(lease):
            finish(lease, spec, folder, returncode=returncode)
        judge(lease, spec, self._leases)

    def _each(self, step: Callable[[Lease], T]) -> dict[Lease, T | None]:
        """The step's result for each waiting run; several at a time, because steps ask servers."""
        if not self._pool:
            return {lease: _attempt(lease, step) for lease in self._waiting}
        futures = {
            lease: self._pool.submit(_attempt_in_thread, lease, step) for lease in self._waiting
        }
        return {lease: future.result() for lease, future in futures.items()}


def _attempt_in_thread(lease: Lease, step: Callable[[Lease], T]) -> T | None:
    try:
        return _attempt(lease, step)
    finally:
        connections.close_all()  # of this thread


def _attempt(lease: Lease, step: Callable[[Lease], T]) -> T | None:
    """The step's result, or None if it failed; the run then says why."""
    try:
        return step(lease)
    except Exception as error:  # noqa: BLE001 told apart, logged and kept with the run
        _record_fault(lease, error)
        return None


def _record_fault(lease: Lease, error: Exception) -> None:
    """Fail the run for faults that its owner can fix; postpone it for all others."""
    try:
        match error:
            case LeaseLost():
                raise error
            case InferenceUnavailable():
                reason = f"The run is waiting for the inference server: {error}"
                postpone_run(lease, reason=reason, is_outage=True)
            case GateInconclusive():
                reason = f"The new version is waiting to be evaluated: {error}"
                postpone_run(lease, reason=reason, is_outage=isinstance(error, GateUnjudged))
            case NotJudged() | BaseUnreadable():
                postpone_run(lease, reason=str(error), is_outage=True)
            case EnvironmentFault():
                postpone_run(lease, reason=str(error))
            case TrainerPostponed():
                postpone_run(lease, reason=str(error), is_outage=True)
            case TurnOver():
                reason = "The run keeps its practice answers and goes on when its turn comes again."
                yield_turn(lease, reason=reason)
            case TrainerKilled() if run_of(lease).attempts >= MAX_ATTEMPTS:
                # It was alone this time and got no further: its settings ask for too much.
                reason = (
                    f"Training was given up after {MAX_ATTEMPTS} interrupted attempts; the parent "
                    f"version stays. The last fault: {error}"
                )
                move_run(lease, RunEvent.FAIL, is_owners_fault=True, reason=reason)
            case TrainerDied():
                postpone_run(lease, reason=str(error))
            case OSError():
                log.error("run_postponed", run_id=lease.run_id, exc_info=error)
                why = error.strerror or type(error).__name__
                reason = f"The training machine could not use its files ({why})."
                postpone_run(lease, reason=reason, is_outage=True)
            case AdapterMissing() | AdapterCorrupt() | AdapterRefused() | InvalidConfig():
                # Our store, our server, or a site that has changed since the run was queued.
                move_run(lease, RunEvent.FAIL, reason=str(error))
            case Refused():
                move_run(lease, RunEvent.FAIL, is_owners_fault=True, reason=str(error))
            case _:
                log.error("run_broke", run_id=lease.run_id, exc_info=error)
                reason = "The training machine hit an error; its log has the details."
                postpone_run(lease, reason=reason)
    except LeaseLost:
        log.info("run_lease_lost", run_id=lease.run_id)
