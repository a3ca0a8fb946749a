"""Writes exports, one file at a time: each time of the export whose last file is the longest ago.

Between two files, all that an export needs is in its row, so that nobody waits behind somebody's million
rows, and after a crash another worker goes on after the last whole file. For the system, without a
user.
"""

import errno
import gc
import hashlib
import json
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from agents.errors import Refused
from agents.files import write_atomically
from arena import leases
from arena.leases import LeaseLost
from arena.nudges import WRITE_EXPORTS, nudge
from arena.states import HookEvent
from arena.webhooks.outbox import tell
from training.exports.building import problem_with_room
from training.exports.card import CARD_FILE, card_of
from training.exports.containers import Container, File, FileWriter
from training.exports.folders import export_folder
from training.exports.formats import FORMATS
from training.exports.formats.base import Order
from training.exports.formats.tally import ExportTally
from training.exports.manifest import MANIFEST_FILE, manifest_of
from training.exports.selection import Selection
from training.models import Export
from training.states import LIVE_EXPORTS, ExportState

FILE_ROWS = 100_000
FILE_BYTES = 256 * 2**20  # of Parquet, it is about so much
MAX_ATTEMPTS = 5  # in a row for one file
PROGRESS_SECONDS = 1.0
NOTHING = "Nothing matches: there is nothing to export."
NO_ROOM = "The server’s disk is full. Your export goes on by itself as soon as there is room."
BROKEN = "The export could not be written. The people who run this site can find out why."

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Held:
    """Proof that this worker writes the export."""

    export_id: int
    owner: uuid.UUID = field(default_factory=uuid.uuid4)

    def record(self, **fields: Any) -> None:
        """Renew the lease and write the fields. Raises LeaseLost, also if the export was deleted."""
        until = timezone.now() + leases.takeover()
        leases.renew(Export.objects.filter(id=self.export_id), self.owner, until=until, **fields)

    def let_go(self, *, rest: timedelta = timedelta(0), **fields: Any) -> None:
        """Give the export to whoever takes it after so much rest. Raises LeaseLost."""
        now = timezone.now()
        resting = leases.resting(until=now + rest)
        held = Export.objects.filter(id=self.export_id, lease_owner=self.owner)
        if not held.update(turn_at=now, **resting, **fields):
            raise LeaseLost


def write_due() -> bool:
    """Write the next file of the export whose turn it is; False if none waits."""
    held = _claim()
    if held is None:
        return False
    export = Export.objects.get(id=held.export_id)
    try:
        _write_next(export, held)
    except LeaseLost:
        if not Export.objects.filter(id=export.pk).exists():
            shutil.rmtree(export_folder(export.pk), ignore_errors=True)
    except Refused as refusal:
        _fail(held, str(refusal))
    except Exception as error:
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
            log.warning("export_postponed", export_id=export.pk)
            _let_go(held, rest=leases.takeover(0.5), attempts=export.attempts - 1, reason=NO_ROOM)
            return True
        log.exception("export_not_written", export_id=export.pk, attempts=export.attempts)
        if export.attempts >= MAX_ATTEMPTS:
            _fail(held, BROKEN)
        else:
            _let_go(held, rest=leases.takeover(0.5))
    return True


def nudge_waiting_exports() -> None:
    """Wake a worker for exports that none holds, at most once in a takeover's time."""
    seconds = leases.takeover().total_seconds()
    # The step of time in the key: a clock that is set back must not keep a key for as long.
    key = f"export-nudge:{int(time.time() // seconds)}"
    if _due().exists() and cache.add(key, 1, timeout=seconds):
        nudge(WRITE_EXPORTS, expires=seconds)


def _due() -> QuerySet[Export]:
    return Export.objects.filter(leases.expired(), state__in=LIVE_EXPORTS)


@transaction.atomic(durable=True)
def _claim() -> _Held | None:
    waiting = _due().select_for_update(skip_locked=True, no_key=True)
    export = waiting.order_by("turn_at", "id").first()
    if export is None:
        return None
    held = _Held(export.pk)
    until = timezone.now() + leases.takeover()
    # What a worker leaves that dies counts, too: a file that kills each worker ends its export.
    Export.objects.filter(id=export.pk).update(
        state=ExportState.WRITING,
        attempts=export.attempts + 1,
        **leases.held(held.owner, until=until),
    )
    return held


def _write_next(export: Export, held: _Held) -> None:
    """Raises LeaseLost, Refused or OSError."""
    if export.attempts > MAX_ATTEMPTS:
        raise Refused(BROKEN)
    if problem := problem_with_room(export.owner_id):
        raise Refused(problem)
    files = [File(**one) for one in export.files]
    tally = ExportTally.from_json(export.tally)
    order = Order(
        owner_id=export.owner_id,
        selection=Selection.from_json(export.selection),
        up_to_id=export.up_to_id,
    )
    if not files:
        held.record(rows_estimated=FORMATS[export.format].estimate(order))
    found = _write_file(export, order, held, files, tally)
    if found.file:
        files.append(found.file)
    if not files:
        raise Refused(NOTHING)
    fields: dict[str, Any] = {
        "files": [one.as_json() for one in files],
        "rows_written": sum(one.rows for one in files),
        "size_bytes": sum(one.size_bytes for one in files),
        "after_id": found.up_to_id,
        "tally": tally.as_json(),
        "attempts": 0,
        "reason": "",
    }
    if found.is_last:
        _finish(export, held, files, tally, fields)
    else:
        held.let_go(**fields)


@dataclass(frozen=True)
class _Found:
    file: File | None
    up_to_id: int
    is_last: bool


def _write_file(
    export: Export, order: Order, held: _Held, files: Sequence[File], tally: ExportTally
) -> _Found:
    """The next file, if there is anything for it; the tally gets what is in it."""
    chosen = FORMATS[export.format]
    container = Container(export.container)
    name = f"data/train-{len(files):05}.{container}"
    path = export_folder(export.pk) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    for half in path.parent.glob(".*"):  # of a worker that died
        half.unlink(missing_ok=True)
    up_to_id, told_at = export.after_id, time.monotonic()
    before = sum(one.rows for one in files)
    with (
        _garbage_of_its_own(),
        FileWriter(path, container=container, columns=chosen.columns) as writer,
    ):
        for page in chosen.pages(order, after_id=export.after_id):
            writer.write(page.lines)
            tally.add(page.tally)
            up_to_id = page.up_to_id
            if time.monotonic() - told_at >= PROGRESS_SECONDS:
                held.record(rows_written=before + writer.rows)
                told_at = time.monotonic()
            if writer.rows >= FILE_ROWS or writer.size_bytes >= FILE_BYTES:
                held.record(rows_written=before + writer.rows)
                return _Found(writer.finish(name), up_to_id, is_last=False)
        held.record()  # nobody else may write it while it gets its name
        return _Found(writer.finish(name) if writer.rows else None, up_to_id, is_last=True)


@contextmanager
def _garbage_of_its_own() -> Iterator[None]:
    """Rows are many small objects: looking through the whole process at each turn takes half the time."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _finish(
    export: Export, held: _Held, files: Sequence[File], tally: ExportTally, fields: dict[str, Any]
) -> None:
    """Write what tells of the whole, and say that it is whole."""
    folder = export_folder(export.pk)
    manifest = manifest_of(export, files, tally)
    card = card_of(manifest, chosen=FORMATS[export.format])
    told = [
        _written(folder, CARD_FILE, card),
        _written(folder, MANIFEST_FILE, json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"),
    ]
    now = timezone.now()
    with transaction.atomic(durable=True):
        held.let_go(
            state=ExportState.WHOLE,
            manifest=manifest,
            finished_at=now,
            expires_at=now + timedelta(days=settings.ENV.retain_exports_days),
            **fields | {"files": [one.as_json() for one in (*files, *told)]},
        )
        _tell_owner(held)


def _written(folder: Path, name: str, text: str) -> File:
    content = text.encode()
    write_atomically(folder / name, content)
    return File(name, 0, len(content), hashlib.sha256(content).hexdigest())


def _fail(held: _Held, reason: str) -> None:
    with transaction.atomic(durable=True):
        is_said = _let_go(
            held,
            state=ExportState.FAILED,
            reason=reason,
            finished_at=timezone.now(),
            files=[],
            size_bytes=0,
        )
        if is_said:
            _tell_owner(held)
    if is_said:
        shutil.rmtree(export_folder(held.export_id), ignore_errors=True)


def _tell_owner(held: _Held) -> None:
    """Tell webhooks of the owner how it ended, in the transaction that ends it."""
    export = Export.objects.get(id=held.export_id)
    facts = {
        "export_id": export.pk,
        "state": export.state,
        "reason": export.reason,
        "format": export.format,
        "container": export.container,
        "rows": export.rows_written,
        "size_bytes": export.size_bytes,
        "expires_at": export.expires_at and export.expires_at.isoformat(),
        "api_path": f"/api/v1/exports/{export.pk}",
    }
    key = f"{export.pk}:{export.finished_at}"  # each time that it was tried
    tell([export.owner_id], HookEvent.EXPORT_FINISHED, key=key, data=lambda _: facts)


def _let_go(held: _Held, **fields: Any) -> bool:
    """Whether this worker still had it to let go."""
    try:
        held.let_go(**fields)
    except LeaseLost:
        log.info("export_lost", export_id=held.export_id)
        return False
    return True
