"""Celery edges of training. The rows are the queue: each task is only a nudge, may run twice,
and may be lost; `sweep` finds whatever waits."""

from celery import shared_task
from celery.worker import state as worker_state

from training import batch, jobs
from training.attempts import tidy_runs


# While the workers are away or busy nudges would pile up; the sweep gives another soon enough.
@shared_task(expires=jobs.NUDGE_SECONDS)
def run_training(run_id: int) -> None:
    """Bring waiting runs to their ends: those whose turn it is, whichever gave the nudge."""
    # Celery puts the exit status there, 0 among them, when the worker is to stop.
    while worker_state.should_stop is None and batch.train_due():
        tidy_runs()


@shared_task
def sweep() -> None:
    """Make pairs of settled matches, end, start and offer runs as it is due."""
    jobs.harvest_matches()
    jobs.cancel_runs_of_retired()
    jobs.start_due_runs()
    jobs.nudge_waiting_runs()
