"""Files of exports that have expired or lost their owner or their row. For the system, without a user."""

import shutil
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from training.exports.folders import export_folder
from training.models import Export
from training.retention.freed import Freed, Kind
from training.retention.runs import size_of
from training.states import ExportState

BATCH = 50
# Without a row: its owner deleted it while a worker wrote, which that worker may not know yet.
LOST_FOR = timedelta(hours=1)


def collect() -> Freed:
    """Remove files, then say so in the row: a sweep that dies in between does it again."""
    freed = Freed()
    for export in _due().order_by("id")[:BATCH]:
        freed += _remove(export_folder(export.pk))
        if export.owner.leaving_since is None:
            Export.objects.filter(id=export.pk).update(
                state=ExportState.EXPIRED, files=[], size_bytes=0
            )
        else:
            Export.objects.filter(id=export.pk).delete()
    for folder in _lost()[:BATCH]:
        freed += _remove(folder)
    return freed


def waiting() -> Freed:
    folders = [*(export_folder(pk) for pk in _due().values_list("id", flat=True)), *_lost()]
    return Freed(len(folders), sum(map(size_of, filter(Path.exists, folders))))


EXPORTS = Kind(
    name="exports",
    what="files of exports",
    kept=lambda: f"{settings.ENV.retain_exports_days} days",
    due=waiting,
    collect=collect,
)


def _due() -> QuerySet[Export]:
    expired = Q(state=ExportState.WHOLE, expires_at__lte=timezone.now())
    return Export.objects.filter(expired | Q(owner__leaving_since__isnull=False)).select_related(
        "owner"
    )


def _lost() -> list[Path]:
    before = (timezone.now() - LOST_FOR).timestamp()
    folders = {
        int(folder.name): folder
        for folder in Path(settings.EXPORT_STORE).glob("*")
        if folder.name.isdecimal() and folder.stat().st_mtime < before
    }
    known = Export.objects.filter(id__in=folders).values_list("id", flat=True)
    return [folders[each] for each in sorted(folders.keys() - set(known))]


def _remove(folder: Path) -> Freed:
    size = size_of(folder) if folder.exists() else 0
    shutil.rmtree(folder, ignore_errors=True)
    return Freed(1, size)
