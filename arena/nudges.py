"""Wakes workers. The rows are the queue: a nudge may be lost, come late or come twice.

Code that leaves work in a row sends the task's name and ids. Nothing here imports the tasks: they
stand above the callers of this module, so an import would close a circle.
"""

import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
from celery import current_app
from django.core.cache import cache
from django.db import transaction
from kombu.exceptions import OperationalError
from redis import RedisError

PLAY_MATCH = "arena.tasks.play_match"
JUDGE_ROUND = "arena.tasks.judge_round"
HEAR_APPEAL = "arena.tasks.hear_appeal"
ASK_GOLD = "arena.tasks.ask_gold"
TRY_BOUNTY = "arena.tasks.try_bounty"
SAMPLE_ATTACK = "arena.tasks.sample_attack"
SEND_WEBHOOKS = "arena.tasks.send_webhooks"
AUDIT_LEDGER = "arena.tasks.audit_ledger"
ASK_SERVERS = "arena.tasks.ask_servers"
SWEEP_MATCHES = "arena.tasks.sweep"
TRAIN_JUDGE = "training.tasks.train_judge"
RUN_TRAINING = "training.tasks.run_training"
SWEEP_TRAINING = "training.tasks.sweep"
MAKE_ROOM = "training.tasks.make_room"
WRITE_EXPORTS = "training.tasks.write_exports"

TASKS = (
    PLAY_MATCH,
    JUDGE_ROUND,
    HEAR_APPEAL,
    ASK_GOLD,
    TRY_BOUNTY,
    SAMPLE_ATTACK,
    SEND_WEBHOOKS,
    AUDIT_LEDGER,
    ASK_SERVERS,
    SWEEP_MATCHES,
    RUN_TRAINING,
    TRAIN_JUDGE,
    SWEEP_TRAINING,
    MAKE_ROOM,
    WRITE_EXPORTS,
)

# After a nudge that failed, this process sends none for so long: a person's request waits once.
PAUSE_SECONDS = 5.0
SWEEP_NUDGE_SECONDS = 10  # if a sweep's nudge is lost, others are sent again after this long
SWEEP_STEP_SECONDS = 0.5  # later sweeps are sent for full steps of this length, one for each step

_SWEEP_NUDGE = "sweep-nudge"
log = structlog.get_logger(__name__)
_away_until = 0.0  # by time.monotonic


def nudge(task: str, *ids: int, **options: Any) -> None:
    """Send the task now, with Celery's options (countdown and expires in seconds).

    Without a broker nothing is sent: the rows stand, and the next sweep finds them.
    """
    _unless_away(task, lambda: _send(task, *ids, **options))


def nudge_on_commit(task: str, *ids: int, **options: Any) -> None:
    """Send the task once the caller's transaction is committed."""
    transaction.on_commit(lambda: nudge(task, *ids, **options), robust=True)


def nudge_sweep_on_commit(*, after_seconds: float = 0.0) -> None:
    """Have the queues looked at once the caller's transaction is committed, or that much later.

    However many callers ask, one sweep waits for "at once" and one for each step of time after it:
    a flood of entries must not hold up the sweeps themselves.
    """
    if after_seconds:
        send = partial(_sweep_later, after_seconds)
    else:
        send = partial(_sweep_soon, SWEEP_MATCHES)
    transaction.on_commit(lambda: _unless_away(SWEEP_MATCHES, send), robust=True)


def nudge_training_on_commit() -> None:
    """Have pairs made at once when the caller's transaction is committed; one sweep waits at most."""
    soon = partial(_sweep_soon, SWEEP_TRAINING)
    transaction.on_commit(lambda: _unless_away(SWEEP_TRAINING, soon), robust=True)


def nudge_webhooks_on_commit() -> None:
    """Have webhooks told at once when the caller's transaction is committed; one task waits at most."""
    soon = partial(_sweep_soon, SEND_WEBHOOKS)
    transaction.on_commit(lambda: _unless_away(SEND_WEBHOOKS, soon), robust=True)


def forget_sweep_nudge(task: str) -> None:
    """Let the next caller nudge again. A sweep does this before it looks at any row."""
    cache.delete(f"{_SWEEP_NUDGE}:{task}")


def _sweep_soon(task: str) -> None:
    if cache.add(f"{_SWEEP_NUDGE}:{task}", 1, timeout=SWEEP_NUDGE_SECONDS):
        _send(task, expires=SWEEP_NUDGE_SECONDS)


def _sweep_later(seconds: float) -> None:
    now = time.time()
    step = math.ceil((now + seconds) / SWEEP_STEP_SECONDS)
    if cache.add(f"{_SWEEP_NUDGE}:{step}", 1, timeout=seconds + SWEEP_NUDGE_SECONDS):
        _send(SWEEP_MATCHES, countdown=step * SWEEP_STEP_SECONDS - now)


def _send(task: str, *ids: int, **options: Any) -> None:
    assert task in TASKS, f"nobody runs {task}"
    current_app.send_task(task, args=ids, retry=False, **options)


def _unless_away(task: str, send: Callable[[], None]) -> None:
    global _away_until
    if time.monotonic() < _away_until:
        return
    try:
        send()
    except (OperationalError, RedisError, OSError) as error:
        _away_until = time.monotonic() + PAUSE_SECONDS
        log.warning("nudge_lost", task=task, error=type(error).__name__)
