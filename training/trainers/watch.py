"""A trainer's two duties to the machine it shares: be last in line, and leave with its worker."""

import os
import threading

LOWEST_PRIORITY = 19  # a live match on the same machine stays watchable
WATCH_SECONDS = 1.0
EXIT_ORPHANED = 4


def step_back() -> None:
    """Yield the processor to everything else."""
    os.nice(LOWEST_PRIORITY)


def die_with(worker_pid: int) -> None:
    """End this process soon after its worker: a killed worker leaves no trainer behind."""

    def watch() -> None:
        while os.getppid() == worker_pid:
            never.wait(WATCH_SECONDS)
        os._exit(EXIT_ORPHANED)

    never = threading.Event()
    threading.Thread(target=watch, daemon=True, name="worker watch").start()
