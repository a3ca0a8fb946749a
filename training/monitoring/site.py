"""Reads how runs, ledger, webhooks, sweeps and machines are doing. For the system."""

import shutil
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import httpx
from django.conf import settings
from django.db import connection
from django.db.models import Count, F, Min, Sum
from django.db.models.functions import Coalesce

from agents.inference.table import servers_left_out
from agents.inference.tls import certificates
from arena.credits.verdicts import AuditVerdict
from arena.live.consumers import audience
from arena.models import Account, AccountKind, Delivery, Webhook
from arena.nudges import (
    ASK_GOLD,
    ASK_SERVERS,
    AUDIT_LEDGER,
    MAKE_ROOM,
    SAMPLE_ATTACK,
    SWEEP_MATCHES,
    SWEEP_TRAINING,
    TRAIN_JUDGE,
)
from arena.states import DeliveryStatus
from arena.sweep_times import sweep_times
from training.models import TrainingRun
from training.monitoring.figures import Ledger, Machine, Process, Sweep, Training, Webhooks
from training.states import LIVE_STATUSES, RunStatus

PROBE_SECONDS = 1.0
MAX_SERVERS = 64
MAX_COUNTED = 100_000  # deliveries that wait
# Names that processes of the site give their connections: arena/config/settings.py
_OURS = "rlfc-"
_OTHER = "other"


def sweep_every_seconds() -> Mapping[str, float]:
    """How often each periodic task runs: arena/config/celery.py."""
    often = float(settings.ENV.sweep_seconds)
    return {
        SWEEP_MATCHES: often,
        SWEEP_TRAINING: often,
        ASK_GOLD: 60.0,
        SAMPLE_ATTACK: 900.0,
        MAKE_ROOM: 600.0,
        TRAIN_JUDGE: 3_600.0,
        ASK_SERVERS: 15.0,
        AUDIT_LEDGER: 3_600.0,  # looks whether the daily audit is due
    }


def sweeps() -> Mapping[str, Sweep | None]:
    now, found = time.time(), sweep_times(sweep_every_seconds())
    return {
        task: Sweep(max(0.0, now - found[task].ended_at), found[task].seconds)
        if task in found
        else None
        for task in sweep_every_seconds()
    }


def training(now: datetime) -> Training:
    shown = [*sorted(LIVE_STATUSES), RunStatus.OFFERED]
    runs = TrainingRun.objects.filter(status__in=shown).order_by()
    found = dict(runs.values_list("status").annotate(count=Count("id")))
    # Of queued runs, only one that was paused and resumed has this time: when it was.
    since = Coalesce("lease_expires_at", "created_at")
    oldest = runs.filter(status=RunStatus.QUEUED).aggregate(at=Min(since))["at"]
    training_now = runs.filter(status=RunStatus.TRAINING)
    moving = list(training_now.values_list("progress", "curve__-1__tokens_per_second"))
    return Training(
        runs={status.value: found.get(status, 0) for status in shown},
        oldest_queued_seconds=_age(oldest, now),
        steps_per_second=sum(
            progress["step"] / progress["seconds"]
            for progress, _ in moving
            if progress.get("seconds") and progress.get("step")
        ),
        tokens_per_second=sum(float(speed or 0.0) for _, speed in moving),
    )


def ledger(verdict: AuditVerdict | None) -> Ledger:
    """With how the last audit ended; None: not known."""
    # The site's own accounts have an index; every hold of a person's credits is for one of them.
    own = Account.objects.exclude(kind=AccountKind.USER)
    posted = F("credits_posted") - F("debits_posted")
    escrow = own.filter(kind=AccountKind.ESCROW).aggregate(sum=Sum(posted))["sum"] or 0
    held = own.aggregate(sum=Sum("credits_pending"))["sum"] or 0
    return Ledger(
        escrow=escrow,
        held=held,
        audit_age_seconds=max(0.0, time.time() - verdict.at) if verdict else None,
        audit_problems=verdict.problems if verdict else 0,
    )


def webhooks(now: datetime) -> Webhooks:
    waiting = Delivery.objects.filter(status=DeliveryStatus.WAITING)
    active = Webhook.objects.filter(deleted_at=None, paused_at=None)
    due = waiting.filter(webhook__paused_at=None, due_at__lte=now)
    stopped = Webhook.objects.filter(deleted_at=None).exclude(pause_reason="")
    return Webhooks(
        waiting=waiting.order_by()[:MAX_COUNTED].count(),
        oldest_due_seconds=_age(due.aggregate(at=Min("due_at"))["at"], now),
        failing=active.exclude(failing_since=None).count(),
        paused=stopped.count(),
    )


def machine(servers: tuple[bool, ...]) -> Machine:
    """With what `servers_that_answer` found."""
    disk = shutil.disk_usage(settings.HOME)
    return Machine(
        connections=_connections(),
        max_connections=_max_connections(),
        servers=servers,
        left_out=servers_left_out(),
        disk_free_bytes=disk.free,
        disk_bytes=disk.total,
    )


def process() -> Process:
    """Of this process; never remembered."""
    stats: Mapping[str, int] = {}
    pool = getattr(connection, "pool", None)
    if pool is not None:
        stats = pool.get_stats()
    return Process(
        sockets=audience.size,
        pool_open=stats.get("pool_size", 0),
        pool_idle=stats.get("pool_available", 0),
        pool_waiting=stats.get("requests_waiting", 0),
    )


def _connections() -> Mapping[tuple[str, str], int]:
    counted: dict[tuple[str, str], int] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT application_name, coalesce(state, 'other'), count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() GROUP BY 1, 2"
        )
        for name, state, count in cursor.fetchall():
            role = name.removeprefix(_OURS) if name.startswith(_OURS) else _OTHER
            key = (role if role.isalpha() else _OTHER, state.replace(" ", "_").partition("_(")[0])
            counted[key] = counted.get(key, 0) + count
    return counted


def _max_connections() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SHOW max_connections")
        return int(cursor.fetchone()[0])


def servers_that_answer() -> tuple[bool, ...]:
    """Of each inference server whether it answers now; asks them, so outside of any transaction."""
    urls = settings.VLLM_URLS[:MAX_SERVERS]
    with ThreadPoolExecutor(max_workers=len(urls) or 1) as threads:
        return tuple(threads.map(_answers, urls))


def _answers(url: str) -> bool:
    try:
        answer = httpx.get(
            f"{url}/health", timeout=PROBE_SECONDS, verify=certificates(), trust_env=False
        )
    except httpx.HTTPError:
        return False
    return answer.is_success


def _age(moment: datetime | None, now: datetime) -> float:
    return max(0.0, (now - moment).total_seconds()) if moment else 0.0
