"""What runs that are over leave behind: files, then practice answers. For the system, without a user.

The rows of runs stay, with settings, figures and manifest. Practice answers, the plan and the scores make
up an owner's download of groups, so that they stay longer than the files that a trainer needed.
"""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from training.data.dataset import MANIFEST_FILE
from training.models import Rollout, TrainingRun
from training.practice.plan import PLAN_FILE, SCORES_FILE
from training.retention.freed import Freed, Kind
from training.runs.attempts import run_folder
from training.states import LIVE_STATUSES

BATCH = 50
KEPT_LONGER = frozenset({PLAN_FILE, SCORES_FILE, MANIFEST_FILE})


def collect_files() -> Freed:
    """Remove what only a trainer needed, and folders that a sweep that died left behind."""
    freed = Freed()
    for path in list(_removable())[:BATCH]:
        freed += Freed(1, size_of(path))
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return freed


def waiting_files() -> Freed:
    found = list(_removable())
    return Freed(len(found), sum(map(size_of, found)))


def collect_practice() -> Freed:
    """Delete practice answers of runs that ended long ago, and the folders of these runs."""
    freed = Freed()
    for run_id in _with_old_practice().order_by("id").values_list("id", flat=True)[:BATCH]:
        folder = run_folder(run_id)
        size = size_of(folder)
        with transaction.atomic(durable=True):
            count, _ = Rollout.objects.filter(run_id=run_id).delete()
            # The folder goes after the mark: if this dies in between, `collect_files` finds it.
            TrainingRun.objects.filter(id=run_id).update(collected_at=timezone.now())
        shutil.rmtree(folder, ignore_errors=True)
        freed += Freed(1 + count, size)
    return freed


def waiting_practice() -> Freed:
    runs = _with_old_practice()
    rollouts = Rollout.objects.filter(run__in=runs).count()
    sizes = [size_of(run_folder(run_id)) for run_id in runs.values_list("id", flat=True)]
    return Freed(runs.count() + rollouts, sum(sizes))


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; what vanishes meanwhile counts nothing."""
    if path.is_dir():
        return sum(size_of(each) for each in path.iterdir())
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return 0


RUN_FILES = Kind(
    name="run_files",
    what="files of runs",
    kept=lambda: f"{settings.ENV.retain_runs_days} days after a run ends",
    due=waiting_files,
    collect=collect_files,
)
PRACTICE = Kind(
    name="practice",
    what="runs with their practice answers",
    kept=lambda: f"{settings.ENV.retain_practice_days} days after a run ends",
    due=waiting_practice,
    collect=collect_practice,
)


def _ended(days: int) -> QuerySet[TrainingRun]:
    before = timezone.now() - timedelta(days=days)
    return TrainingRun.objects.exclude(status__in=LIVE_STATUSES).filter(finished_at__lt=before)


def _with_old_practice() -> QuerySet[TrainingRun]:
    return _ended(settings.ENV.retain_practice_days).filter(collected_at=None)


def _removable() -> Iterator[Path]:
    folders = {
        int(folder.name): folder
        for folder in Path(settings.RUN_STORE).glob("*")
        if folder.name.isdecimal()
    }
    ended = _ended(settings.ENV.retain_runs_days).filter(id__in=folders).order_by("id")
    for run_id, collected_at in ended.values_list("id", "collected_at"):
        folder = folders[run_id]
        if collected_at:
            yield folder
        else:
            yield from (path for path in folder.iterdir() if path.name not in KEPT_LONGER)
