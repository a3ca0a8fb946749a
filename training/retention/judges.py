"""Weights of trained judges that were refused and never voted. For the system, without a user.

Those that voted stay: the staff may roll back to them, and votes name them.
"""

import shutil
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from judges.models import Judge, JudgeVersion, LearnedStatus, LearnedVersion
from training.retention.freed import Freed, Kind
from training.retention.runs import size_of

BATCH = 50


def collect() -> Freed:
    """Remove the folders. The rows stay, with the figures of their trainings."""
    freed = Freed()
    for folder in _due()[:BATCH]:
        size = size_of(folder)
        if not _is_old(folder):
            continue  # the same weights have just been made again
        # At once, so that nobody sees half of them.
        folder.rename(folder.with_name(f".{folder.name}.removed"))
        freed += Freed(1, size)
    for gone in Path(settings.JUDGE_STORE).glob(".*.removed"):
        shutil.rmtree(gone)
    return freed


def waiting() -> Freed:
    folders = _due()
    return Freed(len(folders), sum(map(size_of, folders)))


JUDGES = Kind(
    name="judges",
    what="weights of trained judges",
    kept=lambda: f"if they ever voted; {settings.ENV.retain_rejected_days} days if they never did",
    due=waiting,
    collect=collect,
)


def _due() -> list[Path]:
    refused_since = _refused_since()
    # One that is being measured has no row of its own yet, but perhaps an old one's weights.
    found = Path(settings.JUDGE_STORE).glob("[0-9a-f]*")
    folders = {folder.name: folder for folder in found if _is_old(folder)}
    trained = LearnedVersion.objects.filter(digest__in=folders)
    is_kept = Q(status=LearnedStatus.ADOPTED) | Q(created_at__gte=refused_since)
    kept = set(trained.filter(is_kept).values_list("digest", flat=True))
    for rows in (Judge.objects, JudgeVersion.objects):
        named = rows.filter(config__digest__in=list(folders))
        kept.update(named.values_list("config__digest", flat=True))
    refused = set(trained.values_list("digest", flat=True)) - kept
    return [folders[digest] for digest in sorted(refused)]


def _refused_since() -> datetime:
    return timezone.now() - timedelta(days=settings.ENV.retain_rejected_days)


def _is_old(folder: Path) -> bool:
    """Not if another sweep has just removed it."""
    try:
        return folder.stat().st_mtime < _refused_since().timestamp()
    except FileNotFoundError:
        return False
