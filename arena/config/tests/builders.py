"""What the tests of the supervisor share."""

import threading
import time
from collections.abc import Callable

DEADLINE_SECONDS = 20


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        pause.wait(0.05)
