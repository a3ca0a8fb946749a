"""Talks to scorers, child processes that this worker starts when they are first needed.

Safe for several threads, each with its own event loop: requests go through one lock. A child
that dies or hangs is killed and started again; every request has a time limit.
"""

import asyncio
import atexit
import json
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from judges.pipes import PipedProcess
from judges.scorers.protocol import MAX_LINE_BYTES, MAX_TEXT_CHARACTERS, MAX_TEXTS
from judges.tools import CannotJudge

START_SECONDS = 60.0  # importing torch and loading the weights on a busy machine
REQUEST_SECONDS = 20.0
BASE_START_SECONDS = 120.0  # of a language model
BASE_REQUEST_SECONDS = 60.0
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


class _Scorer:
    """One child process for this worker process; `name` is for sentences."""

    def __init__(
        self, name: str, command: Sequence[str], *, start_seconds: float, request_seconds: float
    ) -> None:
        self._name = name
        self._command = tuple(command)
        self._start_seconds = start_seconds
        self._request_seconds = request_seconds
        self._lock = threading.Lock()
        self._child: PipedProcess | None = None
        atexit.register(self.close)

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The reply to one request. Raises ScorerUnavailable."""
        line = json.dumps(request).encode() + b"\n"  # ASCII: lone surrogates are escaped
        if not self._lock.acquire(timeout=self._start_seconds + self._request_seconds):
            raise ScorerUnavailable(f"{self._name} is too busy")
        try:
            reply = self._ask(line)
        finally:
            self._lock.release()
        if "error" in reply:
            raise ScorerUnavailable(f"{self._name} refused: {reply['error']}")
        return reply

    def numbers(self, key: str, request: Mapping[str, Any], texts: Sequence[str]) -> list[float]:
        """What the reply says of each of the texts. Raises ScorerUnavailable."""
        if not texts:
            return []
        if len(texts) > MAX_TEXTS:
            raise ScorerUnavailable(f"at most {MAX_TEXTS} texts can be scored at once")
        cut = [text[:MAX_TEXT_CHARACTERS] for text in texts]
        found = [float(value) for value in self.ask({**request, "texts": cut})[key]]
        if len(found) != len(texts):
            raise ScorerUnavailable(f"{self._name} answered another request")
        return found

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
                        f"{self._name} failed ({type(error).__name__})"
                    ) from error
            except ValueError as error:
                self._end()
                raise ScorerUnavailable(f"{self._name} did not write JSON") from error
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


class RelevanceScorer:
    """How close texts are to a prompt."""

    def __init__(
        self,
        command: Sequence[str] = _COMMAND,
        *,
        start_seconds: float = START_SECONDS,
        request_seconds: float = REQUEST_SECONDS,
    ) -> None:
        self._scorer = _Scorer(
            "the relevance scorer",
            command,
            start_seconds=start_seconds,
            request_seconds=request_seconds,
        )

    async def relevance(self, prompt: str, texts: Sequence[str]) -> list[float]:
        """`score` without holding up the event loop."""
        return await asyncio.to_thread(self.score, prompt, texts)

    def score(self, prompt: str, texts: Sequence[str]) -> list[float]:
        """Cosine of each text with the prompt, in [-1, 1]. Raises ScorerUnavailable."""
        return self._scorer.numbers("cosines", {"prompt": prompt[:MAX_TEXT_CHARACTERS]}, texts)

    def close(self) -> None:
        """End the child, if there is one; the next request starts another."""
        self._scorer.close()


class LearnedScorer:
    """What judges that were trained here make of answers; one base in memory for all of them."""

    def __init__(
        self,
        base: Path,
        *,
        start_seconds: float = BASE_START_SECONDS,
        request_seconds: float = BASE_REQUEST_SECONDS,
    ) -> None:
        self._scorer = _Scorer(
            "the learned judge",
            (sys.executable, "-m", "judges.scorers.learned", str(base)),
            start_seconds=start_seconds,
            request_seconds=request_seconds,
        )

    def score(self, folder: Path, prompt: str, texts: Sequence[str]) -> list[float]:
        """A score of each text, of use only among texts of one prompt. Raises ScorerUnavailable."""
        asked = {"folder": str(folder), "prompt": prompt[:MAX_TEXT_CHARACTERS]}
        return self._scorer.numbers("scores", asked, texts)

    def close(self) -> None:
        """End the child, if there is one; the next request starts another."""
        self._scorer.close()
