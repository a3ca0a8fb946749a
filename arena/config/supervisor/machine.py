"""What the machine is and offers: memory, disk, ports, and log files."""

import contextlib
import errno
import os
import platform
import shutil
import socket
from pathlib import Path

from agents.inference import processor
from arena.config.gpu import cards
from arena.config.supervisor.errors import LocalError

# vLLM with the small base model on a CPU; it takes 4.5 GiB in float32.
NEEDED_MEMORY_BYTES = 5 * 1024**3
NEEDED_DISK_BYTES = 1024**3
PORTS_TRIED = 100
MAX_LOG_BYTES, KEPT_LOGS = 10_000_000, 2
TAIL_LINES, TAIL_BYTES = 15, 20_000
CGROUP = Path("/sys/fs/cgroup")
# What the kernel gives back when a program needs it: the page cache and its own caches.
RECLAIMABLE = frozenset({"inactive_file", "active_file", "slab_reclaimable"})


def this_machine() -> str:
    """The machine in one line, for the record of a measurement; the compute type matters most."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{processor.described()}, {os.cpu_count()} cores, {memory:.0f} GiB, "
        f"Python {platform.python_version()}, {_gpus()}"
    )


def _gpus() -> str:
    try:
        return ", ".join(card.described for card in cards.cards(cards.ask()))
    except cards.NoGpu:
        return "no GPU"


def check_disk(folder: Path) -> None:
    """Raise LocalError if the folder's disk is nearly full."""
    free = shutil.disk_usage(folder).free
    if free < NEEDED_DISK_BYTES:
        raise LocalError(
            f"Only {_gib(free)} of disk are free in {folder}, but {_gib(NEEDED_DISK_BYTES)} are "
            "needed. Free some space, or set RLFC_HOME to another folder."
        )


def check_memory(servers: int) -> None:
    """Raise LocalError if this many vLLM servers would not fit."""
    free, needed = available_memory_bytes(), servers * NEEDED_MEMORY_BYTES
    if free < needed:
        raise LocalError(
            f"Only {_gib(free)} of memory are free, but vLLM needs about "
            f"{_gib(needed)}. Close other programs, or set VLLM_URL to another server."
        )


def available_memory_bytes() -> int:
    """Memory still available: the machine's, or a container's limit if that is less."""
    available = _meminfo("MemAvailable")
    with contextlib.suppress(FileNotFoundError, ValueError):
        limit = int((CGROUP / "memory.max").read_text())  # "max": no limit
        used = int((CGROUP / "memory.current").read_text())
        counts = [line.split() for line in (CGROUP / "memory.stat").read_text().splitlines()]
        cached = sum(int(count) for name, count in counts if name in RECLAIMABLE)
        available = min(available, limit - used + cached)
    return available


def _meminfo(field: str) -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    raise LocalError("/proc/meminfo does not say how much memory is available.")


def rotate(log: Path, *, max_bytes: int = MAX_LOG_BYTES) -> None:
    """Rotate a log once it is large: part.log, part.log.1, part.log.2, then deleted.

    It is copied and emptied, because the part keeps it open and appends to it. What is written between
    the two, at the most a few lines, is lost.
    """
    if not log.exists() or log.stat().st_size < max_bytes:
        return
    copy = log.with_name(f"{log.name}.0")
    try:
        shutil.copyfile(log, copy)
    except OSError:  # the disk is full, and half a copy makes it no emptier
        copy.unlink(missing_ok=True)
        raise
    for number in range(KEPT_LOGS, 0, -1):
        newer = log.with_name(f"{log.name}.{number - 1}")
        if newer.exists():
            newer.replace(log.with_name(f"{log.name}.{number}"))
    os.truncate(log, 0)


def tail(log: Path) -> str:
    """The last lines of a log."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-TAIL_LINES:])


def free_port(host: str, first: int) -> int:
    """The first free port from `first` on; 0 asks the system for any. Raises LocalError."""
    last = min(first + PORTS_TRIED, 65536) - 1 if first else 0
    for port in range(first, last + 1):
        if found := _listened_on(host, port):
            return found
    raise LocalError(f"Ports {first} to {last} on {host} are all taken.")


def is_free(host: str, port: int) -> bool:
    """Whether a server can listen there. Raises LocalError if none ever can."""
    return _listened_on(host, port) is not None


def _listened_on(host: str, port: int) -> int | None:
    """The port, or for 0 the one that the system chose; None if it is taken."""
    try:
        with socket.create_server((host, port), family=_family(host)) as server:
            return int(server.getsockname()[1])
    except PermissionError:
        raise LocalError(f"Only root may use port {port}: choose one above 1023.") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return None
        reason = str(error.strerror).partition(" (while")[0]  # Python repeats the address
        raise LocalError(f"WEB_HOST is {host}, but nothing can listen there: {reason}.") from None


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _gib(count: int) -> str:
    return f"{count / 1024**3:.1f} GiB"
