"""Runs a trainer in its own process and follows its jobs, so that a crash stays contained."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import structlog
from django.conf import settings

from agents.errors import Refused
from agents.files import write_atomically
from training.trainers.job import (
    PAUSE,
    PROGRESS_FILE,
    STOP_FILE,
    read_result,
    write_result,
)
from training.worker.gpu_loss import gpu_loss

TRAINER = "training.trainers"
POLL_SECONDS = 1.0
STOP_SECONDS = 120.0  # for a trainer with only paused jobs left, to save their checkpoints
MAX_TRAINING_SECONDS = 12 * 3600  # for each of the jobs that share a process
LOG_FILE = "trainer.log"
LOG_TAIL_CHARS = 2000
# All that a trainer inherits: none of the site's addresses, keys or passwords.
INHERITED = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES")

JSON = dict[str, Any]

log = structlog.get_logger(__name__)


class TrainerFailed(Refused):
    """The trainer found that this job cannot produce an adapter; the sentence is for the owner."""


class TrainerDied(Exception):
    """The process ended before this job did; the sentence is for the agent's owner."""


class TrainerKilled(TrainerDied):
    """The process was killed, often because its jobs took too much memory."""


class TrainerPostponed(Exception):
    """The machine has no room or no GPU for this job; the sentence is for the agent's owner."""


@dataclass(frozen=True)
class FollowedJob:
    """A folder with a job.toml, and callbacks for its progress.

    `on_lines` is called about once per second with the new progress lines, often none. It returns
    PAUSE or CANCEL to stop this job, or "" to let it continue; an exception ends the whole
    process. `on_result` is called once, when the job has its result and nobody stopped it.
    """

    folder: Path
    on_lines: Callable[[list[JSON]], str]
    on_result: Callable[[], None] = lambda: None


def run_trainer(jobs: Sequence[FollowedJob], *, module: str = TRAINER) -> int:
    """Run all the jobs in one process until it ends; return its exit status."""
    scratch = Path(mkdtemp(prefix="scratch-", dir=jobs[0].folder))
    logs = jobs[0].folder / LOG_FILE
    with logs.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *(str(job.folder) for job in jobs)],
            cwd=settings.BASE_DIR,
            env=_environment(scratch),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a group of its own: it and its children end together
        )
    try:
        has_ended = _follow(process, jobs)
    finally:
        _kill(process)
        shutil.rmtree(scratch, ignore_errors=True)
    if has_ended and process.returncode:
        text = logs.read_text(errors="replace")
        log.error(
            "trainer_died",
            log=str(logs),
            returncode=process.returncode,
            log_tail=text[-LOG_TAIL_CHARS:],
        )
        if why := gpu_loss(text):
            _postpone([job.folder for job in jobs], why)
    return process.returncode


def result_of(folder: Path, *, returncode: int) -> JSON:
    """What became of one job of a process that has ended.

    Raises TrainerFailed, TrainerPostponed, TrainerDied, TrainerKilled.
    """
    result = read_result(folder)
    if result and "error" in result:
        raise TrainerFailed(str(result["error"]))
    if result and "steps" in result:
        return result
    if result and "postponed" in result:
        raise TrainerPostponed(str(result["postponed"]))
    if result and "interrupted" in result:
        raise TrainerDied(str(result["interrupted"]))
    if returncode < 0:
        raise TrainerKilled(
            f"The trainer was killed (signal {-returncode}), often because memory ran out."
        )
    raise TrainerDied("The trainer stopped with an error; its log has the details.")


def _follow(process: subprocess.Popen[bytes], jobs: Sequence[FollowedJob]) -> bool:
    """Whether the process ended by itself; if not, it can be killed."""
    started = time.monotonic()
    following = {job: _Tail(job.folder / PROGRESS_FILE) for job in jobs}
    pausing: set[Path] = set()
    stopped_at = started
    has_ended = has_results = False
    while not has_ended:
        has_ended = _has_ended(process)
        for job, progress in list(following.items()):
            # Checked first: a job with a result has written all its lines.
            is_over = read_result(job.folder) is not None
            if word := job.on_lines(progress.new_lines()):
                write_atomically(job.folder / STOP_FILE, word)
                pausing |= {job.folder} if word == PAUSE else set()
            elif is_over:
                job.on_result()
                has_results = True
            else:
                continue
            del following[job]
            stopped_at = time.monotonic()
        now = time.monotonic()
        pausing = {folder for folder in pausing if read_result(folder) is None}
        # A process that has given a result ends by itself after the last one.
        is_awaited = has_results or pausing
        if not following and (not is_awaited or now - stopped_at > STOP_SECONDS):
            break
        if now - started > MAX_TRAINING_SECONDS * len(jobs):
            for job in following:
                _give_up(job.folder)
            break
    return has_ended


def _postpone(folders: Sequence[Path], why: str) -> None:
    """Say so for every job that the process left without a result."""
    for folder in folders:
        if read_result(folder) is None:
            write_result(folder, {"postponed": why})


def _give_up(folder: Path) -> None:
    if read_result(folder) is None:
        hours = MAX_TRAINING_SECONDS // 3600
        sentence = f"Training took longer than {hours} hours and was stopped."
        write_result(folder, {"error": f"{sentence} The parent version stays."})


class _Tail:
    """Reads whole new lines of a file that another process appends to.

    A trainer that continues from a checkpoint first replaces the file with its lines up to there;
    then all lines are new.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inode = 0
        self._offset = 0

    def new_lines(self) -> list[JSON]:
        try:
            with self._path.open("rb") as file:
                if self._inode != (inode := os.fstat(file.fileno()).st_ino):
                    self._inode, self._offset = inode, 0
                file.seek(self._offset)
                content = file.read()
        except FileNotFoundError:
            return []
        whole = content[: content.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [json.loads(line) for line in whole.splitlines()]


def _environment(scratch: Path) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return inherited | {
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "HF_HOME": str(scratch),
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "TQDM_DISABLE": "1",
        "PYTHONUNBUFFERED": "1",
    }


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(timeout=POLL_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return True


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
