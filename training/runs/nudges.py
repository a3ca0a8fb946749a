"""Offers waiting runs to the workers. The rows are the queue; this only nudges."""

import time

from django.core.cache import cache

from arena import leases
from arena.nudges import RUN_TRAINING, nudge
from training.models import TrainingRun
from training.runs.claiming import claimable

NUDGE_LIMIT = 20


def nudge_waiting_runs(*, limit: int = NUDGE_LIMIT) -> None:
    """Offer runs that no worker holds: new ones, postponed ones, and those of dead workers."""
    waiting = TrainingRun.objects.filter(claimable()).order_by("id").values_list("id", flat=True)
    # At most once in this time.
    seconds = leases.takeover().total_seconds()
    for run_id in waiting[:limit]:
        if cache.add(_nudge_key(run_id), 1, timeout=seconds):
            # Nudges would pile up while workers are away or busy; a sweep sends another soon.
            nudge(RUN_TRAINING, run_id, expires=seconds)


def nudge_again(run_id: int) -> None:
    """Let the run be offered again at once, even if it was offered a moment ago."""
    cache.delete(_nudge_key(run_id))


def _nudge_key(run_id: int) -> str:
    # The step of time in the key: a clock that is set back must not keep a key for as long.
    step = int(time.time() // leases.takeover().total_seconds())
    return f"training-nudge:{run_id}:{step}"
