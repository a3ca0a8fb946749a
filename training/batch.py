"""Brings waiting runs to their end: several of one base and precision in one trainer process.

What becomes of one run is recorded with it and is no concern of the others.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog
from django.conf import settings

from agents.errors import Refused
from agents.inference import InferenceUnavailable
from training.attempts import is_finished
from training.child import FollowedJob, TrainerDied, run_trainer
from training.claiming import claim_together
from training.execute import Follower, finish, judge, prepare
from training.gate import GateInconclusive
from training.job_state import RunEvent
from training.lease import Lease, LeaseLost, Leases, move_run, postpone_run

T = TypeVar("T")

log = structlog.get_logger(__name__)


def train_due() -> int:
    """Take the fairest waiting run and those that can share its process; how many were taken."""
    claimed = claim_together(settings.ENV.training_together)
    leases = Leases(claimed)
    folders = {
        lease: folder
        for lease in claimed
        if (folder := _attempt(lease, partial(prepare, lease, leases)))
    }
    try:
        returncode = _run_trainer(folders, leases)
    except OSError as error:
        for lease in folders:
            _record_fault(lease, error)
    else:
        for lease, folder in folders.items():
            _attempt(lease, partial(finish, lease, folder, returncode=returncode))
    for lease in claimed:
        _attempt(lease, partial(judge, lease, leases))
    return len(claimed)


def _run_trainer(folders: Mapping[Lease, Path], leases: Leases) -> int:
    jobs = [
        FollowedJob(folder, Follower(lease, leases))
        for lease, folder in folders.items()
        if not is_finished(folder)
    ]
    return run_trainer(jobs) if jobs else 0


def _attempt(lease: Lease, step: Callable[[], T]) -> T | None:
    """What the step gives, or None if it broke off; the run then says why."""
    try:
        return step()
    except Exception as error:  # noqa: BLE001 told apart, logged and kept with the run
        _record_fault(lease, error)
        return None


def _record_fault(lease: Lease, error: Exception) -> None:
    """Fail the run for what its owner can change; put it off for anything else."""
    try:
        match error:
            case LeaseLost():
                raise error
            case InferenceUnavailable():
                reason = f"The run waits for the inference server: {error}"
                postpone_run(lease, reason=reason, is_outage=True)
            case GateInconclusive():
                reason = f"The new version waits for its evaluation: {error}"
                postpone_run(lease, reason=reason)
            case TrainerDied():
                postpone_run(lease, reason=str(error))
            case OSError():
                log.error("run_postponed", run_id=lease.run_id, exc_info=error)
                why = error.strerror or type(error).__name__
                reason = f"The training machine could not use its files ({why})."
                postpone_run(lease, reason=reason)
            case Refused():
                move_run(lease, RunEvent.FAIL, reason=str(error))
            case _:
                log.error("run_broke", run_id=lease.run_id, exc_info=error)
                reason = "The training machine met an error that its log shows."
                postpone_run(lease, reason=reason)
    except LeaseLost:
        log.info("run_lease_lost", run_id=lease.run_id)
