"""Talks to the relevance scorer, a child process that this worker starts when first needed.

Safe for several threads, each with its own event loop: requests go through one lock. A child
that dies or hangs is killed and started again; every request has a time limit.
"""

import asyncio
import atexit
import json
import os
import sys
import threading
from collections.abc import Sequence
from typing import Any

from judges.pipes import PipedProcess
from judges.scorers.protocol import MAX_LINE_BYTES, MAX_TEXT_CHARACTERS, MAX_TEXTS
from judges.tools import CannotJudge

START_SECONDS = 60.0  # importing torch and loading the weights on a busy machine
REQUEST_SECONDS = 20.0
ATTEMPTS = 2
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
        self._child: PipedProcess | None = None
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

    def _started(self) -> PipedProcess:
        if self._child is None or not self._child.is_usable():
            self._end()
            self._child = PipedProcess(
                self._command,
                variables=os.environ | _VARIABLES,
                max_line_bytes=MAX_LINE_BYTES,
            )
            self._child.read(seconds=self._start_seconds)  # {"ready": true}
        return self._child

    def _end(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None
