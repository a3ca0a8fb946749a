"""Children that outlived a killed supervisor: recorded while they run, found and stopped later.

A pid alone identifies nothing, because the kernel reuses it. A process is identified by its pid,
the boot it belongs to and the clock tick it started at; anything that differs is left alone.
"""

import contextlib
import json
import os
import select
import signal
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from agents.files import write_atomically

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
KILLED_WITHIN_SECONDS = 5.0


@dataclass(frozen=True)
class Recorded:
    """One supervised child: the leader of a session of its own."""

    name: str
    pid: int
    started_ticks: int  # since boot, field 22 of /proc/PID/stat
    program: str  # the executable that it and its own children run
    stop_signal: int


def started_ticks(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; None if there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is a program's name in parentheses and may itself hold spaces and ")".
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def save(path: Path, children: Iterable[Recorded]) -> None:
    """Replace the record; a reader sees the old one or the new one, never a partial one."""
    record = {"boot": BOOT_ID.read_text().strip(), "children": [asdict(c) for c in children]}
    write_atomically(path, json.dumps(record, indent=1))


def load(path: Path) -> list[Recorded]:
    """The children recorded since this boot; none if the file is missing or invalid."""
    try:
        record = json.loads(path.read_text())
        if record["boot"] != BOOT_ID.read_text().strip():
            return []
        return [Recorded(**child) for child in record["children"]]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return []


def session_of(child: Recorded) -> list[int]:
    """Live processes of the child's session: itself and what it started."""
    leader_ticks = started_ticks(child.pid)
    if leader_ticks is not None and leader_ticks != child.started_ticks:
        return []  # the pid was reused: the recorded child is long gone
    return [pid for pid in _all_pids() if _belongs(pid, child)]


def stop(children: Iterable[Recorded], *, grace_seconds: float) -> list[Recorded]:
    """Stop what is left of each recorded child, politely first; returns those that were running."""
    running = [child for child in children if session_of(child)]
    asked: list[tuple[int, int]] = []
    for child in running:
        leads = started_ticks(child.pid) is not None  # then it stops its own children
        pids = [child.pid] if leads else session_of(child)
        asked += [(pid, child.stop_signal) for pid in pids]
    _signal_and_wait(asked, seconds=grace_seconds)
    kill_sessions(running)
    return running


def kill_sessions(children: Iterable[Recorded]) -> None:
    """SIGKILL what is left of each session, and wait until it is gone."""
    left = [(pid, int(signal.SIGKILL)) for child in children for pid in session_of(child)]
    _signal_and_wait(left, seconds=KILLED_WITHIN_SECONDS)


def _all_pids() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def _belongs(pid: int, child: Recorded) -> bool:
    try:
        if os.getsid(pid) != child.pid:
            return False
        ticks = started_ticks(pid)
        if ticks is None or ticks < child.started_ticks:
            return False
        # A second guard, for a session whose leader is gone: it must run the same program.
        return pid == child.pid or os.readlink(f"/proc/{pid}/exe") == child.program
    except (ProcessLookupError, FileNotFoundError, PermissionError):
        return False


def _signal_and_wait(signals: Iterable[tuple[int, int]], *, seconds: float) -> None:
    """Send each (pid, signal), then wait until the processes have ended or time is up."""
    deadline = time.monotonic() + seconds
    with contextlib.ExitStack() as handles:
        opened = []
        for pid, number in signals:
            # The handle keeps referring to this process even if its pid is reused.
            with contextlib.suppress(ProcessLookupError):
                handle = os.pidfd_open(pid)
                handles.callback(os.close, handle)
                signal.pidfd_send_signal(handle, number)
                opened.append(handle)
        for handle in opened:
            select.select([handle], [], [], max(0.0, deadline - time.monotonic()))
