"""A child process that answers lines of JSON, for everybody who keeps one."""

import json
import os
import selectors
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Any, NoReturn

END_SECONDS = 5.0
ROOT = Path(__file__).resolve().parents[1]  # where children find our modules
_READ_BYTES = 65_536


class PipedProcess:
    """A process that reads and writes lines; no call waits longer than its limit."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        variables: Mapping[str, str],
        max_line_bytes: int,
        is_quiet: bool = False,
    ) -> None:
        """Start it with exactly these variables; a quiet one's stderr is thrown away."""
        self._owner = os.getpid()
        self._max_line_bytes = max_line_bytes
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if is_quiet else None,
            bufsize=0,
            cwd=ROOT,
            env=variables,
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
            if len(line) > self._max_line_bytes:
                raise ValueError("its reply is too long")
        try:
            reply = json.loads(line, parse_constant=_refuse_constant, parse_float=_read_float)
        except RecursionError:
            raise ValueError("its reply is nested too deeply") from None
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


def _read_float(text: str) -> float:
    return float(text) + 0.0  # JSON has a negative zero, which a database does not keep


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"its reply holds {name}, which is not a number in JSON")
