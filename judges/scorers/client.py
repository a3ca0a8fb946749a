"""Talks to the relevance scorer, a child process that this worker starts when first needed.

Safe for several threads, each with its own event loop: requests go through one lock. A child
that dies or hangs is killed and started again; every request has a time limit.
"""

import asyncio
import atexit
import json
import os
import selectors
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Any

from judges.scorers.protocol import MAX_LINE_BYTES, MAX_TEXT_CHARACTERS, MAX_TEXTS
from judges.tools import CannotJudge

START_SECONDS = 60.0  # importing torch and loading the weights on a busy machine
REQUEST_SECONDS = 20.0
END_SECONDS = 5.0
ATTEMPTS = 2
_READ_BYTES = 65_536
_ROOT = Path(__file__).resolve().parents[2]
_COMMAND = (sys.executable, "-m", "judges.scorers.relevance")
_VARIABLES = {
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
}


class ScorerUnavailable(CannotJudge):
    """The scorer could not be started, died or took too long."""


class RelevanceScorer:
    """One child process for this worker process."""

    def __init__(
        self,
        command: Sequence[str] = _COMMAND,
        *,
        start_seconds: float = START_SECONDS,
        request_seconds: float = REQUEST_SECONDS,
    ) -> None:
        self._command = tuple(command)
        self._start_seconds = start_seconds
        self._request_seconds = request_seconds
        self._lock = threading.Lock()
        self._child: _ScorerProcess | None = None
        atexit.register(self.close)

    async def relevance(self, prompt: str, texts: Sequence[str]) -> list[float]:
        """`score` without holding up the event loop."""
        return await asyncio.to_thread(self.score, prompt, texts)

    def score(self, prompt: str, texts: Sequence[str]) -> list[float]:
        """Cosine of each text with the prompt, in [-1, 1]. Raises ScorerUnavailable."""
        if not texts:
            return []
        if len(texts) > MAX_TEXTS:
            raise ScorerUnavailable(f"at most {MAX_TEXTS} texts can be scored at once")
        request = {
            "prompt": prompt[:MAX_TEXT_CHARACTERS],
            "texts": [text[:MAX_TEXT_CHARACTERS] for text in texts],
        }
        line = json.dumps(request).encode() + b"\n"  # ASCII: lone surrogates are escaped
        if not self._lock.acquire(timeout=self._start_seconds + self._request_seconds):
            raise ScorerUnavailable("the relevance scorer is too busy")
        try:
            reply = self._ask(line)
        finally:
            self._lock.release()
        if "error" in reply:
            raise ScorerUnavailable(f"the relevance scorer refused: {reply['error']}")
        cosines = [float(cosine) for cosine in reply["cosines"]]
        if len(cosines) != len(texts):
            raise ScorerUnavailable("the relevance scorer answered another request")
        return cosines

    def close(self) -> None:
        """End the child, if there is one; the next request starts another."""
        with self._lock:
            self._end()

    def _ask(self, line: bytes) -> dict[str, Any]:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                child = self._started()
                child.write(line, seconds=self._request_seconds)
                return child.read(seconds=self._request_seconds)
            except OSError as error:
                # TimeoutError and BrokenPipeError are OSErrors too: the child is of no further use.
                self._end()
                if attempt == ATTEMPTS or isinstance(error, TimeoutError):
                    raise ScorerUnavailable(
                        f"the relevance scorer failed ({type(error).__name__})"
                    ) from error
            except ValueError as error:
                self._end()
                raise ScorerUnavailable("the relevance scorer did not write JSON") from error
        raise AssertionError("the last attempt returns or raises")

    def _started(self) -> "_ScorerProcess":
        if self._child is None or not self._child.is_usable():
            self._end()
            self._child = _ScorerProcess(self._command)
            self._child.read(seconds=self._start_seconds)  # {"ready": true}
        return self._child

    def _end(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None


class _ScorerProcess:
    """A process that reads and writes lines; no call waits longer than its limit."""

    def __init__(self, command: Sequence[str]) -> None:
        self._owner = os.getpid()
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            cwd=_ROOT,
            env=os.environ | _VARIABLES,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout
        os.set_blocking(self._input.fileno(), False)
        os.set_blocking(self._output.fileno(), False)

    def is_usable(self) -> bool:
        """Whether it is alive and ours: after a fork it belongs to the parent process."""
        return self._owner == os.getpid() and self._process.poll() is None

    def write(self, line: bytes, *, seconds: float) -> None:
        deadline = monotonic() + seconds
        view = memoryview(line)
        while view:
            self._wait(self._input.fileno(), selectors.EVENT_WRITE, deadline)
            view = view[os.write(self._input.fileno(), view) :]

    def read(self, *, seconds: float) -> dict[str, Any]:
        """One line of JSON. Raises OSError if the child ends or is late, ValueError if it is not JSON."""
        deadline = monotonic() + seconds
        line = bytearray()
        while not line.endswith(b"\n"):
            self._wait(self._output.fileno(), selectors.EVENT_READ, deadline)
            piece = os.read(self._output.fileno(), _READ_BYTES)
            if not piece:
                raise BrokenPipeError("it ended")
            line += piece
            if len(line) > MAX_LINE_BYTES:
                raise ValueError("its reply is too long")
        reply = json.loads(line)
        if not isinstance(reply, dict):
            raise ValueError("its reply is not an object")
        return reply

    def end(self) -> None:
        if self._owner == os.getpid():
            self._process.kill()
            self._process.wait(END_SECONDS)
        self._input.close()
        self._output.close()

    @staticmethod
    def _wait(descriptor: int, event: int, deadline: float) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, event)
            if not selector.select(max(0.0, deadline - monotonic())):
                raise TimeoutError("it took too long")
