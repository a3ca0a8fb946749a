"""A trainer on a shared machine: lowest priority, ends with its worker, keeps freed memory."""

import contextlib
import ctypes
import os
import signal

LOWEST_PRIORITY = 19  # measured: docs/decisions/training-beside-matches.md
EXIT_ORPHANED = 4
PR_SET_PDEATHSIG = 1  # <sys/prctl.h>
# <malloc.h>
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
LARGEST_KEPT_BYTES = 32 * 2**20  # the most that glibc accepts


def step_back() -> None:
    """Yield the processor to everything else."""
    os.nice(LOWEST_PRIORITY)


def die_with(worker_pid: int) -> None:
    """Have the kernel end this process when the worker's thread that started it ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != worker_pid:  # the worker died before the call
        os._exit(EXIT_ORPHANED)


def keep_freed_memory() -> None:
    """With glibc as the C library, keep the memory of freed tensors in the process.

    Otherwise each step allocates again, page by page, what the last one freed.
    Measured: docs/decisions/own-training-loop.md
    """
    with contextlib.suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_ARENA_MAX, 1)
        mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT_BYTES)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
