"""Programs that start with their imports done, as forks of one process that has imported them.

Importing torch, transformers or vLLM takes seconds, a fork takes milliseconds. A fork runs the text
that `python -m` or `python -c` would run, in a process of its own: with its own signals, limits,
output and exit status.
"""

import importlib
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from arena.config.env import REPOSITORY

Program = Sequence[str]  # as after `python`: ("-m", module, *arguments) or ("-c", text, *arguments)


class Fork:
    """A program at work. Its output and errors are in `log`."""

    def __init__(self, server: "ForkServer", pid: int, log: Path) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._server, self._log = server, log
        self._ended = os.pidfd_open(pid)  # readable when the process has ended

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace")

    def poll(self) -> int | None:
        """The exit status; None while it runs, -n after signal n."""
        if self.returncode is None and self._has_ended(timeout_seconds=0):
            self._reap()
        return self.returncode

    def wait(self, *, timeout_seconds: float) -> int:
        """The exit status. Raises TimeoutExpired, and then the program runs no longer."""
        if self.returncode is None:
            if not self._has_ended(timeout_seconds=timeout_seconds):
                self.kill()
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout_seconds)
            self._reap()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            signal.pidfd_send_signal(self._ended, number)

    def kill(self) -> None:
        """Returns when it has ended."""
        self.send_signal(signal.SIGKILL)
        self._has_ended(timeout_seconds=None)
        self.poll()

    def _has_ended(self, *, timeout_seconds: float | None) -> bool:
        return bool(select.select([self._ended], [], [], timeout_seconds)[0])

    def _reap(self) -> None:
        self.returncode = self._server.ask("reap", self.pid)
        os.close(self._ended)


class ForkServer:
    """Started by this process and gone with it, if not before."""

    def __init__(self, *modules: str, env: Mapping[str, str] | None = None) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "agents.tests.forks", *modules],
            cwd=REPOSITORY,
            env=os.environ | dict(env or {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid  # the parent of all its forks

    def start(self, program: Program, *, log: Path) -> Fork:
        return Fork(self, self.ask("start", [*program], str(log)), log)

    def close(self) -> None:
        """End it; its forks keep running."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()

    def ask(self, *request: Any) -> int:
        assert self._process.stdin
        assert self._process.stdout
        with self._lock:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())


def serve() -> tuple[list[str], str] | None:
    """Obey the requests on standard input; in a fork, return its program and its log."""
    for line in sys.stdin:
        match json.loads(line):
            case ["start", program, log]:
                answer = os.fork()
                if answer == 0:
                    return program, log
            case ["reap", pid]:
                answer = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            case request:
                raise ValueError(f"unknown request {request!r}")
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()
    return None


def become(program: list[str], log: str) -> None:
    """Run the program in this process, which the interpreter ends as it would end the program."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    kind, text, *arguments = program
    sys.argv = [kind, *arguments]
    if kind == "-m":
        runpy.run_module(text, run_name="__main__", alter_sys=True)
    else:
        exec(compile(text, "<string>", "exec"), {"__name__": "__main__"})


if __name__ == "__main__":
    for module in sys.argv[1:]:
        importlib.import_module(module)
    if forked := serve():
        become(*forked)
