"""A worker's hold on a training run: every write of a live run goes through it.

The row is the queue. A worker that dies stops renewing; another takes the run over when the
lease has expired, and whatever the first one still tries to write is refused.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from arena.stream import publish, run_channel
from training.job_state import CLAIMABLE_STATUSES, LIVE_STATUSES, RunEvent, RunStatus, advance
from training.models import TrainingRun

LEASE = timedelta(seconds=90)  # renewed every few seconds
MAX_ATTEMPTS = 3
BACK_OFF = timedelta(seconds=30)  # times the attempt's number, after an infrastructure fault
OUTAGE_LIMIT = timedelta(hours=24)  # since the run began; so long an outage costs it no attempt


class LeaseLost(Exception):
    """The run was cancelled, or another worker has taken it over: stop at once."""


@dataclass(frozen=True)
class Lease:
    """Proof that this worker holds the run."""

    run_id: int
    owner: uuid.UUID = field(default_factory=uuid.uuid4)


def claimable() -> Q:
    """Live runs that no worker holds."""
    is_free = Q(lease_expires_at=None) | Q(lease_expires_at__lte=timezone.now())
    return Q(status__in=CLAIMABLE_STATUSES) & is_free


def claim_run(run_id: int) -> Lease | None:
    """Take the run, or take it over; None if it is held, finished, or out of attempts."""
    lease = Lease(run_id)
    with transaction.atomic(durable=True):
        run = (
            TrainingRun.objects.select_for_update(skip_locked=True)
            .filter(claimable(), id=run_id)
            .first()
        )
        if run is None:
            return None
        has_attempts = run.attempts < MAX_ATTEMPTS
        if has_attempts:
            run.attempts += 1
            run.status = advance(RunStatus(run.status), RunEvent.CLAIM)
            run.started_at = run.started_at or timezone.now()
            run.lease_owner = lease.owner
            run.lease_expires_at = timezone.now() + LEASE
        else:
            why = f" The last fault: {run.reason}" if run.reason else ""
            run.status = advance(RunStatus(run.status), RunEvent.FAIL)
            run.reason = (
                f"Training was given up after {MAX_ATTEMPTS} attempts that broke off; the parent "
                f"version stays.{why}"
            )
            run.finished_at = timezone.now()
            run.lease_owner = run.lease_expires_at = None
        run.save()
        announce_run(run_id)
    return lease if has_attempts else None


def renew(lease: Lease) -> None:
    """Hold the run for longer. Raises LeaseLost."""
    _write(lease)


def record_progress(
    lease: Lease, *, progress: Mapping[str, Any], curve: Sequence[Mapping[str, Any]]
) -> None:
    """Show how far training is, and hold the run for longer. Raises LeaseLost."""
    _write(lease, progress=dict(progress), curve=list(curve))
    _publish(lease.run_id)


def record(lease: Lease, **fields: Any) -> None:
    """Store results of a step, and hold the run for longer. Raises LeaseLost."""
    _write(lease, **fields)
    _publish(lease.run_id)


def move_run(lease: Lease, event: RunEvent, **fields: Any) -> None:
    """Apply the event together with the fields; a final state ends the lease."""
    with transaction.atomic(durable=True):
        run = (
            TrainingRun.objects.select_for_update()
            .filter(id=lease.run_id, lease_owner=lease.owner)
            .first()
        )
        if run is None or RunStatus(run.status).is_final:
            raise LeaseLost
        run.status = advance(RunStatus(run.status), event)
        for name, value in fields.items():
            setattr(run, name, value)
        run.lease_expires_at = timezone.now() + LEASE
        if run.status.is_final:
            run.lease_owner = run.lease_expires_at = None
            run.finished_at = timezone.now()
        run.save()
        announce_run(lease.run_id)


def postpone_run(lease: Lease, *, reason: str, is_outage: bool = False) -> None:
    """Give the run back to be tried again after a while: nobody's fault, nothing decided.

    In an outage nothing was tried: it counts as an attempt only when it lasts too long.
    """
    with transaction.atomic(durable=True):
        run = (
            TrainingRun.objects.select_for_update()
            .filter(id=lease.run_id, lease_owner=lease.owner, status__in=LIVE_STATUSES)
            .first()
        )
        if run is None:
            raise LeaseLost
        now = timezone.now()
        run.reason = reason
        run.lease_owner = None
        run.lease_expires_at = now + BACK_OFF * run.attempts
        if is_outage and run.started_at and now - run.started_at < OUTAGE_LIMIT:
            run.attempts -= 1
        run.save(update_fields=["reason", "lease_owner", "lease_expires_at", "attempts"])
        announce_run(lease.run_id)


def announce_run(run_id: int) -> None:
    """Tell whoever watches the run that it changed, once that is committed."""
    transaction.on_commit(lambda: _publish(run_id))


def _write(lease: Lease, **fields: Any) -> None:
    held = TrainingRun.objects.filter(
        id=lease.run_id, lease_owner=lease.owner, status__in=LIVE_STATUSES
    )
    if not held.update(lease_expires_at=timezone.now() + LEASE, **fields):
        raise LeaseLost


def _publish(run_id: int) -> None:
    publish(run_channel(run_id), json.dumps({"t": "run", "id": run_id}))
