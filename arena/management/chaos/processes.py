"""The processes of the running product, found from outside and killed."""

import contextlib
import json
import os
import signal
from pathlib import Path

from arena.config.supervisor import leftovers
from arena.config.supervisor.parts import (
    BEAT,
    BROKER,
    DATABASE,
    EXPORT_WORKER,
    INFERENCE,
    MATCH_WORKER,
    SWEEP_WORKER,
    TRAIN_WORKER,
    WEB,
)

SUPERVISOR, BACKEND, TRAINER, EVERYTHING = "supervisor", "database-backend", "trainer", "everything"
MODEL_PID = "model.pid"
PARTS = (
    DATABASE,
    BROKER,
    WEB,
    BEAT,
    MATCH_WORKER,
    TRAIN_WORKER,
    SWEEP_WORKER,
    EXPORT_WORKER,
)
# How often each is drawn, against the others: the start of everything takes longest.
VICTIMS = {
    **dict.fromkeys(PARTS, 3),
    INFERENCE: 3,
    TRAINER: 3,
    BACKEND: 2,
    SUPERVISOR: 1,
    EVERYTHING: 1,
}


class Processes:
    """Those of one RLFC_HOME."""

    def __init__(self, home: Path) -> None:
        self._run = home / "run"
        self._runs_folder = str(home / "runs").encode()

    def kill(self, victim: str) -> bool:
        """SIGKILL; whether anything of that name was running."""
        pids = self.of(victim)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return bool(pids)

    def of(self, victim: str) -> list[int]:
        """The pids that die with it."""
        if victim == SUPERVISOR:
            return _numbers(self._run / "lock")
        if victim == INFERENCE:
            return _numbers(self._run / MODEL_PID)
        if victim == TRAINER:
            return [pid for pid in _all_pids() if self._is_trainer(pid)]
        if victim == BACKEND:
            return [pid for part in self.of(DATABASE) for pid in _children_of(part)][-1:]
        if victim == EVERYTHING:
            named = (SUPERVISOR, INFERENCE, TRAINER, *PARTS)
            return [pid for name in named for pid in self.of(name)]
        return [
            child.pid for child in self._recorded() if child.name == victim and _is_alive(child)
        ]

    def missing(self) -> list[str]:
        """Parts that do not run now."""
        running = {child.name for child in self._recorded() if _is_alive(child)}
        return [part for part in PARTS if part not in running]

    def _recorded(self) -> list[leftovers.Recorded]:
        return leftovers.load(self._run / "processes.json")

    def _is_trainer(self, pid: int) -> bool:
        command = _command(pid)
        return b"training.trainers" in command and self._runs_folder in command


def _is_alive(child: leftovers.Recorded) -> bool:
    return leftovers.started_ticks(child.pid) == child.started_ticks


def _numbers(path: Path) -> list[int]:
    try:
        return [json.loads(path.read_text())]
    except (OSError, ValueError):
        return []


def _all_pids() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _children_of(parent: int) -> list[int]:
    try:
        return [
            int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        ]
    except OSError:
        return []
