"""A trainer and the machine it shares: last in line, gone with its worker, memory kept at hand."""

import contextlib
import ctypes
import os
import signal

LOWEST_PRIORITY = 19  # measured: docs/decisions/training-beside-matches.md
EXIT_ORPHANED = 4
PR_SET_PDEATHSIG = 1  # <sys/prctl.h>
# <malloc.h>
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
LARGEST_KEPT_BYTES = 32 * 2**20  # the most that glibc takes for it


def step_back() -> None:
    """Yield the processor to everything else."""
    os.nice(LOWEST_PRIORITY)


def die_with(worker_pid: int) -> None:
    """Have the kernel end this process with its worker's thread that started it."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != worker_pid:  # it has died before the kernel knew
        os._exit(EXIT_ORPHANED)


def keep_freed_memory() -> None:
    """Where the C library is glibc: freed tensors wait in the process for the next ones.

    Each step allocates what the last one freed, page by page.
    Measured: docs/decisions/own-training-loop.md
    """
    with contextlib.suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_ARENA_MAX, 1)
        mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT_BYTES)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
