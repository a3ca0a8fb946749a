"""One part as the supervisor sees it: its state, and how the state is shown."""

import os
import signal
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO

import structlog

from arena.config.supervisor import leftovers, machine
from arena.config.supervisor.parts import Part

log = structlog.get_logger(__name__)


class State(StrEnum):
    WAITING = "waiting"  # for what it needs
    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Status:
    """One part's state, for display."""

    name: str
    state: State
    detail: str
    seconds: float  # from its latest start until it was ready, or until now if it is not


class Child:
    """The mutable state of a part. Only the supervising thread writes it."""

    def __init__(self, part: Part, log: Path) -> None:
        self.part = part
        self.log = log
        self.state = State.WAITING
        self.detail = ""
        self.process: subprocess.Popen[bytes] | None = None
        self.recorded: leftovers.Recorded | None = None
        self.started_at = 0.0
        self.ready_at = 0.0
        self.next_probe_at = 0.0
        self.restart_at = 0.0
        self.crashes = 0

    def opened_log(self) -> IO[bytes]:
        """Where its output goes; nowhere, if the disk takes no file."""
        try:
            return self.log.open("ab")
        except OSError as error:
            log.warning("log_not_opened", part=self.part.name, error=str(error))
            return open(os.devnull, "ab")

    def status(self) -> Status:
        end = self.ready_at if self.state is State.READY else time.monotonic()
        seconds = max(0.0, end - self.started_at) if self.started_at else 0.0
        return Status(self.part.name, self.state, self.detail, seconds)


def summary(statuses: Iterable[Status]) -> str:
    """One line: how many parts are ready, and the states of the others."""
    statuses = list(statuses)
    ready = [status for status in statuses if status.state is State.READY]
    others = [f"{s.name} {s.state}" for s in statuses if s.state is not State.READY]
    return f"{len(ready)} of {len(statuses)} ready" + (f": {', '.join(others)}" if others else "")


def tail_sentence(log: Path) -> str:
    lines = machine.tail(log)
    return f" The end of {log}:\n{lines}" if lines else f" Its log {log} is empty."


def exit_words(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
