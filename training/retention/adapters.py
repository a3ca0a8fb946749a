"""Weights that nobody plays, learns from or may go back to any more.

An adapter is marked first, under its agents' locks, and from then on nobody can choose it. Its files go
MARKED_FOR later, if still nothing needs it; its row and its digest stay. For the system, without a
user.
"""

import shutil
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Sum
from django.utils import timezone

from agents.adapters.checks import WEIGHTS_FILE
from agents.adapters.store import remove_files
from agents.models import Adapter, Agent, AgentVersion
from arena.models import Seat
from arena.states import LIVE_MATCH_STATUSES
from training.models import Collected, TrainingRun
from training.retention.freed import Freed, Kind
from training.states import LIVE_STATUSES, RunStatus

BATCH = 50
LOOKED_AT = 500  # adapters in one sweep: whether something needs each takes a look at its seats
# A match that is being seated, or a run that is being queued, may not be visible yet.
MARKED_FOR = timedelta(hours=1)
# Files without a row: a worker died between the two, and a later one may still make the row.
LOST_FOR = timedelta(days=1)
_NEVER_PLAYED = (RunStatus.REJECTED, RunStatus.FAILED, RunStatus.CANCELLED)


def due(now: datetime) -> QuerySet[Adapter]:
    """Adapters that are not marked and that nothing needs."""
    return _ripe(now).exclude(Exists(_keeping(now)))


def collect() -> Freed:
    """Mark up to BATCH adapters, and remove the files of as many that were marked long enough ago."""
    now = timezone.now()
    _mark_next(now)
    freed = _remove_lost(now)
    for adapter_id in _marked(now).order_by("id").values_list("id", flat=True)[:BATCH]:
        freed += _remove(adapter_id, now)
    return freed


def waiting() -> Freed:
    """What is due or marked and still has its files."""
    now = timezone.now()
    found = [due(now), Adapter.objects.filter(collected_at__isnull=False, is_removed=False)]
    sizes = [rows.aggregate(total=Sum("size_bytes"))["total"] or 0 for rows in found]
    return Freed(sum(rows.count() for rows in found), sum(sizes))


ADAPTERS = Kind(
    name="adapters",
    what="adapters",
    kept=lambda: (
        f"while they play or learn, and {settings.ENV.retain_adapters_days} days unused; "
        f"{settings.ENV.retain_rejected_days} days if they were not adopted"
    ),
    due=waiting,
    collect=collect,
)


def _ripe(now: datetime) -> QuerySet[Adapter]:
    return Adapter.objects.filter(collected_at=None, created_at__lt=now - MARKED_FOR)


def _mark_next(now: datetime) -> None:
    """Go on where the last sweep ended, and begin again at the end: most adapters stay for long."""
    done = Collected.objects.filter(kind=ADAPTERS.name).values_list("up_to_id", flat=True).first()
    ids = _ripe(now).filter(id__gt=done or 0).order_by("id").values_list("id", flat=True)
    looked_at = list(ids[:LOOKED_AT])
    # Not as a subquery of theirs: PostgreSQL would look at the versions of all adapters.
    needed = set(_needing(now).filter(adapter__in=looked_at).values_list("adapter", flat=True))
    marked = [each for each in looked_at if each not in needed][:BATCH]
    for adapter_id in marked:
        _mark(adapter_id, now)
    if len(marked) == BATCH:
        last = marked[-1]
    else:
        last = looked_at[-1] if len(looked_at) == LOOKED_AT else 0
    Collected.objects.update_or_create(kind=ADAPTERS.name, defaults={"up_to_id": last})


def _keeping(now: datetime) -> QuerySet[AgentVersion]:
    """Versions of the outer query's adapter that still need it."""
    return _needing(now).filter(adapter=OuterRef("pk"))


def _needing(now: datetime) -> QuerySet[AgentVersion]:
    """Versions that still need their adapters."""
    unused_since = now - timedelta(days=settings.ENV.retain_adapters_days)
    rejected_since = now - timedelta(days=settings.ENV.retain_rejected_days)
    seats = Seat.objects.filter(version=OuterRef("pk"))
    # What a retired agent was offered, nobody can adopt any more.
    is_open = Q(status__in=LIVE_STATUSES) | Q(status=RunStatus.OFFERED, agent__retired_at=None)
    runs = TrainingRun.objects.filter(is_open)
    never_played = TrainingRun.objects.filter(
        child_version=OuterRef("pk"), status__in=_NEVER_PLAYED
    )
    return AgentVersion.objects.filter(
        Q(agent__retired_at=None, agent__current_version=F("pk"))
        # Of a retired agent, only what it played with: see agents.quotas.
        | Q(agent__retired_at__gte=unused_since, agent__current_version=F("pk"))
        | Q(agent__retired_at=None, created_at__gte=rejected_since)
        | (Q(agent__retired_at=None, created_at__gte=unused_since) & ~Exists(never_played))
        # Its owner may be trying another version, and want to go back.
        | Q(adapter__replaced_at__gte=unused_since)
        | Exists(seats.filter(match__created_at__gte=unused_since))
        | Exists(seats.filter(match__status__in=LIVE_MATCH_STATUSES))
        | Exists(runs.filter(parent_version=OuterRef("pk")))
        | Exists(runs.filter(child_version=OuterRef("pk"))),
        agent__owner__left_at=None,
    )


def _mark(adapter_id: int, now: datetime) -> None:
    with transaction.atomic(durable=True):
        # Whoever makes a version current or starts a run from it holds its agent's lock.
        versions = AgentVersion.objects.filter(adapter=adapter_id)
        agents = Agent.objects.filter(id__in=versions.values("agent")).order_by("id")
        list(agents.select_for_update(no_key=True).values_list("id", flat=True))
        due(now).filter(id=adapter_id).update(collected_at=now)


def _marked(now: datetime) -> QuerySet[Adapter]:
    return Adapter.objects.filter(collected_at__lt=now - MARKED_FOR, is_removed=False)


def _remove(adapter_id: int, now: datetime) -> Freed:
    """Remove the files, or the mark if something needs the adapter after all."""
    with transaction.atomic(durable=True):
        # The row's lock: who stores the same weights again waits, and puts the files back.
        row = _marked(now).select_for_update(no_key=True).filter(id=adapter_id).first()
        if row is None:
            return Freed()
        if _is_needed(adapter_id, now):
            Adapter.objects.filter(id=adapter_id).update(collected_at=None)
            return Freed()
        remove_files(row.digest)
        Adapter.objects.filter(id=adapter_id).update(is_removed=True)
        return Freed(1, row.size_bytes)


def _is_needed(adapter_id: int, now: datetime) -> bool:
    return Adapter.objects.filter(Exists(_keeping(now)), id=adapter_id).exists()


def _remove_lost(now: datetime) -> Freed:
    """Remove what a worker that died left in the store: halves, and weights without a row."""
    store, before = Path(settings.ADAPTER_STORE), (now - LOST_FOR).timestamp()
    folders = [*store.glob(".*"), *store.glob("[0-9a-f][0-9a-f]/*")]
    old = {folder.name: folder for folder in folders if _changed_at(folder) < before}
    known = Adapter.objects.filter(digest__in=old).values_list("digest", flat=True)
    freed = Freed()
    for name in sorted(old.keys() - set(known))[:BATCH]:
        weights = old[name] / WEIGHTS_FILE
        freed += Freed(1, weights.stat().st_size if weights.is_file() else 0)
        shutil.rmtree(old[name], ignore_errors=True)
    return freed


def _changed_at(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:  # published under its name, or removed, in between
        return float("inf")
