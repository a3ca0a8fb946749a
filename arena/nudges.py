"""Wakes workers. The rows are the queue: a nudge may be lost, come late or come twice.

Code that leaves work in a row sends the task's name and ids. Nothing here imports the tasks: they
stand above the callers of this module, so an import would close a circle.
"""

from typing import Any

from celery import current_app
from django.db import transaction

PLAY_MATCH = "arena.tasks.play_match"
JUDGE_ROUND = "arena.tasks.judge_round"
SWEEP_MATCHES = "arena.tasks.sweep"
RUN_TRAINING = "training.tasks.run_training"
SWEEP_TRAINING = "training.tasks.sweep"

TASKS = (PLAY_MATCH, JUDGE_ROUND, SWEEP_MATCHES, RUN_TRAINING, SWEEP_TRAINING)


def nudge(task: str, *ids: int, **options: Any) -> None:
    """Send the task now, with Celery's options (countdown and expires in seconds).

    Raises kombu.exceptions.OperationalError while the broker is away.
    """
    assert task in TASKS, f"nobody runs {task}"
    current_app.send_task(task, args=ids, **options)


def nudge_on_commit(task: str, *ids: int, **options: Any) -> None:
    """Send the task once the caller's transaction is committed.

    The rows stand even if the broker is away: the next sweep finds them.
    """
    # No functools.partial: Django logs a failed hook by its __qualname__, which a partial lacks.
    transaction.on_commit(lambda: nudge(task, *ids, **options), robust=True)
