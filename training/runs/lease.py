"""A worker's hold on training runs: every write of a live run goes through it.

A worker that dies stops renewing its lease; another takes over the run once the lease has expired
(see arena.leases and training.runs.claiming), and anything that the first one still tries to write
is refused. For the system, without a user.
"""

import threading
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from arena import leases
from arena.leases import LeaseLost
from training.models import TrainingRun
from training.runs.moves import announce_run, apply_event, locked_run, publish_run
from training.states import CLAIMABLE_STATUSES, RunEvent

LEASE_TAKEOVERS = 1.5  # renewed every few seconds, between steps that may be slower
BACK_OFF_TAKEOVERS = 0.5  # times the attempt's number, after an infrastructure fault
MAX_OUTAGE_REST = timedelta(minutes=10)  # the longer an outage lasts, the rarer the tries
OUTAGE_LIMIT = timedelta(hours=24)  # a shorter outage does not count as an attempt


@dataclass(frozen=True)
class Lease:
    """Proof that this worker holds the run."""

    run_id: int
    owner: uuid.UUID = field(default_factory=uuid.uuid4)


class Leases:
    """All leases of one worker: while it works on one run, however long, it keeps the others.

    Its threads may share it.
    """

    def __init__(self, claimed: Iterable[Lease]) -> None:
        self._held = set(claimed)
        self._lock = threading.Lock()

    def keep(self, lease: Lease) -> None:
        """Renew all leases. Raises LeaseLost if `lease` is lost; the others may be."""
        with self._lock:
            for each in list(self._held):
                try:
                    renew(each)
                except LeaseLost:
                    self._held.remove(each)
            if lease not in self._held:
                raise LeaseLost


def run_lease_ends() -> datetime:
    """Of a run's lease that is taken or renewed now."""
    return timezone.now() + leases.takeover(LEASE_TAKEOVERS)


def renew(lease: Lease) -> None:
    """Renew the lease. Raises LeaseLost."""
    _write(lease)


def record(lease: Lease, **fields: Any) -> None:
    """Store a step's results and renew the lease. Raises LeaseLost."""
    _write(lease, **fields)
    publish_run(lease.run_id)


@contextmanager
def held_run(lease: Lease) -> Iterator[TrainingRun]:
    """The run, locked for `apply_event` in its own transaction. Raises LeaseLost."""
    with transaction.atomic(durable=True):
        run = locked_run(lease.run_id)
        if run.lease_owner != lease.owner:
            raise LeaseLost
        yield run


def move_run(
    lease: Lease, event: RunEvent, *, is_owners_fault: bool = False, **fields: Any
) -> None:
    """Apply the event and set the fields; a final state ends the lease."""
    with held_run(lease) as run:
        fields["lease_expires_at"] = run_lease_ends()
        apply_event(run, event, is_owners_fault=is_owners_fault, **fields)


def postpone_run(lease: Lease, *, reason: str, is_outage: bool = False) -> None:
    """Release the run to be retried later, without a verdict and without blame.

    In an outage of a server or the disk nothing was tried, so it counts as an attempt only if it
    lasts too long.
    """
    with held_run(lease) as run:
        now = timezone.now()
        rest = leases.takeover(BACK_OFF_TAKEOVERS * run.attempts)
        if is_outage:
            run.outage_since = run.outage_since or now
            lasted = now - run.outage_since
            rest = min(max(rest, min(lasted / 4, MAX_OUTAGE_REST)), leases.longest())
            run.attempts -= lasted < OUTAGE_LIMIT
        _release(run, until=now + rest, reason=reason)


def yield_turn(lease: Lease, *, reason: str) -> None:
    """Release the run to the queue: it goes on when its owner's turn comes again.

    It keeps its work and its price, and this was not an attempt.
    """
    with held_run(lease) as run:
        run.attempts -= 1
        _release(run, until=timezone.now(), reason=reason)


def _release(run: TrainingRun, *, until: datetime, reason: str) -> None:
    run.reason = reason
    for name, value in leases.resting(until=until).items():
        setattr(run, name, value)
    run.save()
    announce_run(run.pk)


def _write(lease: Lease, **fields: Any) -> None:
    live = TrainingRun.objects.filter(id=lease.run_id, status__in=CLAIMABLE_STATUSES)
    leases.renew(live, lease.owner, until=run_lease_ends(), **fields)
