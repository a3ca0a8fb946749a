"""Celery edges of training. The rows are the queue: each task is only a nudge, may run twice,
and may be lost; `sweep` finds whatever waits."""

from celery import shared_task
from celery.worker import state as worker_state

from arena.nudges import MAKE_ROOM, SWEEP_TRAINING, TRAIN_JUDGE, forget_sweep_nudge
from arena.sweep_times import timed
from training.data.harvest import harvest_matches
from training.exports.writing import nudge_waiting_exports, write_due
from training.judging import schedule
from training.retention.sweep import collect
from training.runs.attempts import tidy_runs
from training.runs.leaving import erase_leavers
from training.runs.nudges import nudge_waiting_runs
from training.runs.starting import start_due_runs
from training.runs.steering import cancel_runs_of_retired
from training.worker import batch


@shared_task
def run_training(run_id: int) -> None:
    """Work on waiting runs in the order of their turns, whichever run sent the nudge."""
    # Celery puts the exit status there, possibly 0, when the worker should stop.
    while worker_state.should_stop is None and batch.train_due():
        tidy_runs()


@shared_task
@timed(TRAIN_JUDGE)
def train_judge() -> None:
    """Train the judge that learns, if it is due and no run waits."""
    schedule.train_if_due()


@shared_task
@timed(SWEEP_TRAINING)
def sweep() -> None:
    """Make pairs from settled matches; end, start and offer runs that are due; erase who left."""
    forget_sweep_nudge(SWEEP_TRAINING)  # before looking: what is settled from now on needs another
    harvest_matches()
    cancel_runs_of_retired()
    start_due_runs()
    nudge_waiting_runs()
    nudge_waiting_exports()
    erase_leavers()


@shared_task
@timed(MAKE_ROOM)
def make_room() -> None:
    """Delete a little of what no setting keeps any longer."""
    collect()


@shared_task
def write_exports() -> None:
    """Write exports file by file, whichever sent the nudge, until none waits."""
    while worker_state.should_stop is None and write_due():
        pass
