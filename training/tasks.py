"""Celery edges of training. The rows are the queue: each task is only a nudge, may run twice,
and may be lost; `sweep` finds whatever waits."""

from celery import shared_task

from training import batch, jobs


@shared_task
def run_training(run_id: int) -> None:
    """Bring a run to its end: the one whose turn it is, seldom the one that gave the nudge."""
    batch.train_due()


@shared_task
def sweep() -> None:
    """Make pairs of settled matches, start runs that are due, offer runs that wait."""
    jobs.harvest_matches()
    jobs.start_due_runs()
    jobs.nudge_waiting_runs()
