"""Collects what is due, in small batches, and keeps how much it freed. For the system, without a user.

What is kept for how long, and why: docs/decisions/retention.md
"""

import time

import structlog
from django.db.models import F
from django.utils import timezone

from training.models import Collected
from training.retention.adapters import ADAPTERS
from training.retention.deliveries import DELIVERIES
from training.retention.exports import EXPORTS
from training.retention.freed import Freed, Kind
from training.retention.judges import JUDGES
from training.retention.runs import PRACTICE, RUN_FILES
from training.retention.texts import PROMPT_TOKENS, REHEARSAL_TEXTS, SESSIONS

KINDS = (
    ADAPTERS,
    JUDGES,
    EXPORTS,
    RUN_FILES,
    PRACTICE,
    PROMPT_TOKENS,
    REHEARSAL_TEXTS,
    SESSIONS,
    DELIVERIES,
)
# Other sweeps wait behind this one, and a large backlog needs no hurry.
SWEEP_SECONDS = 4.0

log = structlog.get_logger(__name__)


def collect(*, seconds: float = SWEEP_SECONDS) -> dict[str, Freed]:
    """Collect for so many seconds at the most; by name, what each kind freed."""
    ends = time.monotonic() + seconds
    return {kind.name: _collect(kind, ends) for kind in KINDS}


def _collect(kind: Kind, ends: float) -> Freed:
    freed = Freed()
    try:
        while time.monotonic() < ends and (batch := kind.collect()).count:
            freed += batch
    except Exception:
        # One kind that cannot be collected must not hold up the others.
        log.exception("not_collected", kind=kind.name)
    _keep(kind, freed)
    if freed.count:
        log.info("collected", kind=kind.name, count=freed.count, size_bytes=freed.size_bytes)
    return freed


def _keep(kind: Kind, freed: Freed) -> None:
    Collected.objects.get_or_create(kind=kind.name)
    Collected.objects.filter(kind=kind.name).update(
        looked_at=timezone.now(),
        count=F("count") + freed.count,
        size_bytes=F("size_bytes") + freed.size_bytes,
    )
    if freed.count:
        Collected.objects.filter(kind=kind.name).update(
            last_at=timezone.now(), last_count=freed.count, last_size_bytes=freed.size_bytes
        )
