"""Wakes workers. The rows are the queue: a nudge may be lost, come late or come twice.

Code that leaves work in a row sends the task's name and ids. Nothing here imports the tasks: they
stand above the callers of this module, so an import would close a circle.
"""

import time
from typing import Any

import structlog
from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

PLAY_MATCH = "arena.tasks.play_match"
JUDGE_ROUND = "arena.tasks.judge_round"
SWEEP_MATCHES = "arena.tasks.sweep"
RUN_TRAINING = "training.tasks.run_training"
SWEEP_TRAINING = "training.tasks.sweep"

TASKS = (PLAY_MATCH, JUDGE_ROUND, SWEEP_MATCHES, RUN_TRAINING, SWEEP_TRAINING)

# After a nudge that failed, this process sends none for so long: a person's request waits once.
PAUSE_SECONDS = 5.0

log = structlog.get_logger(__name__)
_away_until = 0.0  # by time.monotonic


def nudge(task: str, *ids: int, **options: Any) -> None:
    """Send the task now, with Celery's options (countdown and expires in seconds).

    Without a broker nothing is sent: the rows stand, and the next sweep finds them.
    """
    global _away_until
    assert task in TASKS, f"nobody runs {task}"
    if time.monotonic() < _away_until:
        return
    try:
        current_app.send_task(task, args=ids, retry=False, **options)
    except (OperationalError, OSError) as error:
        _away_until = time.monotonic() + PAUSE_SECONDS
        log.warning("nudge_lost", task=task, error=type(error).__name__)


def nudge_on_commit(task: str, *ids: int, **options: Any) -> None:
    """Send the task once the caller's transaction is committed."""
    transaction.on_commit(lambda: nudge(task, *ids, **options), robust=True)
