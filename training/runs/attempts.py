"""Folders of a run's trainers: one for each process that ever worked on it.

A dead worker's trainer may still be dying when the next worker takes over the run, so no two
trainers ever share a folder. The checkpoint moves from the last folder to the new one, with the
progress that led to it; whatever the old process still writes is ignored.
"""

import shutil
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from training.models import TrainingRun
from training.states import LIVE_STATUSES
from training.trainers.job import ADAPTER_FOLDER, CHECKPOINT_FOLDER, PROGRESS_FILE, read_result

TIDY_AFTER = timedelta(hours=1)  # a trainer that was told to stop may still be writing
_PREFIX = "attempt-"


def run_folder(run_id: int) -> Path:
    """The folder of a run's files."""
    return Path(settings.RUN_STORE) / str(run_id)


def new_attempt(run_id: int) -> Path:
    """An empty folder for the next trainer, with the last one's checkpoint if there is one."""
    earlier = _attempts(run_id)
    number = 1 + _number(earlier[-1]) if earlier else 1
    folder = run_folder(run_id) / f"{_PREFIX}{number}"
    folder.mkdir(parents=True)
    for old in reversed(earlier):
        if (old / CHECKPOINT_FOLDER).is_dir():
            _carry_progress(old, folder)
            (old / CHECKPOINT_FOLDER).rename(folder / CHECKPOINT_FOLDER)
            break
    return folder


def finished_attempt(run_id: int) -> Path | None:
    """The folder of a trainer that finished, if one did."""
    return next((folder for folder in _attempts(run_id) if is_finished(folder)), None)


def is_finished(folder: Path) -> bool:
    """Whether the trainer of this folder has made its adapter."""
    result = read_result(folder)
    return bool(result) and "steps" in (result or {}) and (folder / ADAPTER_FOLDER).is_dir()


def tidy_runs() -> None:
    """Remove adapters and checkpoints of runs that ended a while ago.

    What was adopted or offered is in the store; the files that show how a run went stay.
    """
    found: dict[int, list[Path]] = {}
    for name in (ADAPTER_FOLDER, CHECKPOINT_FOLDER):
        for folder in Path(settings.RUN_STORE).glob(f"*/{_PREFIX}*/{name}"):
            if (name_of_run := folder.parents[1].name).isdecimal():
                found.setdefault(int(name_of_run), []).append(folder)
    ended = TrainingRun.objects.exclude(status__in=LIVE_STATUSES).filter(
        id__in=found, finished_at__lt=timezone.now() - TIDY_AFTER
    )
    for run_id in ended.values_list("id", flat=True):
        for folder in found[run_id]:
            shutil.rmtree(folder, ignore_errors=True)


def _carry_progress(old: Path, folder: Path) -> None:
    content = (old / PROGRESS_FILE).read_bytes()
    whole_lines = content[: content.rfind(b"\n") + 1]
    (folder / PROGRESS_FILE).write_bytes(whole_lines)


def _attempts(run_id: int) -> list[Path]:
    """Oldest first."""
    return sorted(run_folder(run_id).glob(f"{_PREFIX}*"), key=_number)


def _number(folder: Path) -> int:
    return int(folder.name.removeprefix(_PREFIX))
