"""Runs a trainer as a process of its own and follows it, so that its crash stays its own."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings

from agents.errors import Refused
from training.trainers.job import JOB_FILE, PROGRESS_FILE, read_result

POLL_SECONDS = 1.0
MAX_TRAINING_SECONDS = 12 * 3600
LOG_FILE = "trainer.log"
LOG_TAIL_CHARS = 2000
# All that a trainer inherits: no address, key or password of the site.
INHERITED = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES")

JSON = dict[str, Any]

log = structlog.get_logger(__name__)


class TrainerFailed(Refused):
    """The trainer did not make an adapter; the sentence is for the agent's owner."""


def run_trainer(folder: Path, *, module: str, on_lines: Callable[[list[JSON]], None]) -> JSON:
    """Run `folder`/job.toml to its end and return the result.

    `on_lines` is called about once a second with the new progress lines, often none; whatever
    it raises ends the trainer. Raises TrainerFailed.
    """
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    started = time.monotonic()
    with (folder / LOG_FILE).open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module, str(folder / JOB_FILE)],
            cwd=settings.BASE_DIR,
            env=_environment(scratch),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a group of its own: it and its children end together
        )
    try:
        progress = _Tail(folder / PROGRESS_FILE)
        while not _has_ended(process):
            on_lines(progress.new_lines())
            if time.monotonic() - started > MAX_TRAINING_SECONDS:
                raise TrainerFailed(
                    f"Training took longer than {MAX_TRAINING_SECONDS // 3600} hours and was "
                    "stopped. The parent version stays."
                )
        on_lines(progress.new_lines())
    finally:
        _kill(process)
        shutil.rmtree(scratch, ignore_errors=True)
    return _outcome(folder, process.returncode)


def _outcome(folder: Path, returncode: int) -> JSON:
    result = read_result(folder)
    if result and "error" in result:
        raise TrainerFailed(str(result["error"]))
    if result and returncode == 0:
        return result
    tail = (folder / LOG_FILE).read_bytes()[-LOG_TAIL_CHARS:].decode(errors="replace")
    log.error("trainer_died", folder=str(folder), returncode=returncode, log_tail=tail)
    if returncode < 0:
        raise TrainerFailed(
            f"The trainer was killed (signal {-returncode}), often for want of memory. The "
            "parent version stays; the pairs are kept for the next run."
        )
    raise TrainerFailed(
        "The trainer stopped with an error that its log shows. The parent version stays; the "
        "pairs are kept for the next run."
    )


class _Tail:
    """Reads whole new lines of a file that another process appends to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def new_lines(self) -> list[JSON]:
        try:
            with self._path.open("rb") as file:
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
