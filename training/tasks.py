"""Celery edges of training. The rows are the queue: each task is only a nudge, may run twice,
and may be lost; `sweep` finds whatever waits."""

from celery import shared_task
from celery.worker import state as worker_state

from training.runs import verbs
from training.runs.attempts import tidy_runs
from training.worker import batch


# While the workers are away or busy nudges would pile up; the sweep gives another soon enough.
@shared_task(expires=verbs.NUDGE_SECONDS)
def run_training(run_id: int) -> None:
    """Bring waiting runs to their ends: those whose turn it is, whichever gave the nudge."""
    # Celery puts the exit status there, 0 among them, when the worker is to stop.
    while worker_state.should_stop is None and batch.train_due():
        tidy_runs()


@shared_task
def sweep() -> None:
    """Make pairs of settled matches, end, start and offer runs as it is due."""
    verbs.harvest_matches()
    verbs.cancel_runs_of_retired()
    verbs.start_due_runs()
    verbs.nudge_waiting_runs()
