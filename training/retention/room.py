"""What takes room, for the staff: tables, folders, owners, and what the sweep has freed."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import connection

from agents.models import Adapter
from arena.access import require_staff
from training.models import Collected
from training.retention.sweep import KINDS

MOST_TABLES = 12
MOST_OWNERS = 10


@dataclass(frozen=True)
class Taken:
    """A table with its indexes, a folder, or an owner's weights."""

    name: str
    size_bytes: int
    count: int  # rows as the planner guesses them, files, or adapters


@dataclass(frozen=True)
class Retained:
    """One kind of thing: how long it is kept, and what was collected."""

    what: str
    kept: str
    looked_at: datetime | None
    last_at: datetime | None
    last_count: int
    last_size_bytes: int
    count: int  # in all
    size_bytes: int


@dataclass(frozen=True)
class Room:
    """Everything on the operator's page."""

    free_bytes: int
    disk_bytes: int
    tables: tuple[Taken, ...]
    folders: tuple[Taken, ...]
    owners: tuple[Taken, ...]
    retained: tuple[Retained, ...]


def room_taken(staff_id: int) -> Room:
    """Raises NotAvailable for everybody who is not of the staff."""
    require_staff(staff_id)
    disk = shutil.disk_usage(settings.HOME)
    return Room(
        free_bytes=disk.free,
        disk_bytes=disk.total,
        tables=tuple(_tables()),
        folders=tuple(sorted(_folders(), key=lambda one: -one.size_bytes)),
        owners=tuple(_owners()),
        retained=tuple(_retained()),
    )


def _tables() -> Iterator[Taken]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, pg_total_relation_size(oid), GREATEST(reltuples, 0)::bigint"
            " FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
            " ORDER BY 2 DESC, 1 LIMIT %s",
            [MOST_TABLES],
        )
        for name, size, count in cursor.fetchall():
            yield Taken(name, size, count)


def _folders() -> Iterator[Taken]:
    for folder in Path(settings.HOME).iterdir():
        if folder.is_dir():
            sizes = list(_file_sizes(folder))
            yield Taken(folder.name, sum(sizes), len(sizes))


def _file_sizes(folder: Path) -> Iterator[int]:
    """Of what this process may read: the database's folder may be another user's."""
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                yield (Path(parent) / name).lstat().st_size
            except OSError:  # it has just been removed
                continue


def _owners() -> Iterator[Taken]:
    """Who has the most weights in the store, of agents that play and of retired ones."""
    totals: dict[str, Taken] = {}
    kept = Adapter.objects.filter(is_removed=False, versions__isnull=False)
    rows = kept.values_list("versions__agent__owner__username", "id", "size_bytes").distinct()
    for username, _, size in rows:
        before = totals.get(username, Taken(username, 0, 0))
        totals[username] = Taken(username, before.size_bytes + size, before.count + 1)
    yield from sorted(totals.values(), key=lambda one: (-one.size_bytes, one.name))[:MOST_OWNERS]


def _retained() -> Iterator[Retained]:
    rows = {row.kind: row for row in Collected.objects.all()}
    for kind in KINDS:
        row = rows.get(kind.name) or Collected(kind=kind.name)
        yield Retained(
            what=kind.what,
            kept=kind.kept(),
            looked_at=row.looked_at,
            last_at=row.last_at,
            last_count=row.last_count,
            last_size_bytes=row.last_size_bytes,
            count=row.count,
            size_bytes=row.size_bytes,
        )
