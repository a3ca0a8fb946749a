"""Weights of trained judges that were refused and never voted. For the system, without a user.

Those that voted stay: the staff may roll back to them, and votes name them.
"""

import shutil
from datetime import timedelta
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
        freed += Freed(1, size_of(folder))
        # At once, so that whoever stores the same weights again never sees half of them.
        folder.rename(folder.with_name(f".{folder.name}.removed"))
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
    refused_since = timezone.now() - timedelta(days=settings.ENV.retain_rejected_days)
    # One that is being measured has no row of its own yet, but perhaps an old one's weights.
    folders = {
        folder.name: folder
        for folder in Path(settings.JUDGE_STORE).glob("[0-9a-f]*")
        if folder.stat().st_mtime < refused_since.timestamp()
    }
    trained = LearnedVersion.objects.filter(digest__in=folders)
    is_kept = Q(status=LearnedStatus.ADOPTED) | Q(created_at__gte=refused_since)
    kept = set(trained.filter(is_kept).values_list("digest", flat=True))
    for rows in (Judge.objects, JudgeVersion.objects):
        named = rows.filter(config__digest__in=list(folders))
        kept.update(named.values_list("config__digest", flat=True))
    refused = set(trained.values_list("digest", flat=True)) - kept
    return [folders[digest] for digest in sorted(refused)]
