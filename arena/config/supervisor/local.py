"""Starts and supervises the product on one machine, for `manage.py up` and `demo`.

    with Local(local_environment(), Options()) as local:
        local.wait_ready(print)
        local.wait()

One thread owns every child from start to stop: the kernel kills a child when the thread that
started it ends (PR_SET_PDEATHSIG), so no other thread may start one.
"""

import contextlib
import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import structlog

from agents.files import write_atomically
from arena.config.env import Variables
from arena.config.gpu.hardware import Hardware, hardware, loss
from arena.config.supervisor import leftovers, machine
from arena.config.supervisor.child import Child, State, Status, exit_words, tail_sentence
from arena.config.supervisor.errors import LocalError
from arena.config.supervisor.parts import (
    INFERENCE,
    TRAIN_WORKER,
    Endpoints,
    Options,
    choose_endpoints,
    plan,
)

log = structlog.get_logger(__name__)

LAUNCHER = Path(__file__).with_name("launch.py")
TICK_SECONDS = 0.2
PROBE_EVERY_SECONDS = 0.5
ROTATE_EVERY_SECONDS = 10.0
STEADY_SECONDS = 60.0  # after being ready this long, earlier crashes are forgotten
# After each crash in a row; the first is most often an accident. After one more, all is given up.
BACK_OFF_SECONDS = (0.0, 1.0, 2.0, 4.0, 8.0)
LEFTOVER_GRACE_SECONDS = 10.0


class Local:
    """The running product. Start it, wait until it is ready, stop it; also a context manager."""

    def __init__(self, environment: Variables, options: Options | None = None) -> None:
        self.environment = environment
        self.options = options or Options()
        self.home = environment.rlfc_home.resolve()
        self.endpoints: Endpoints
        self.hardware = Hardware()
        self.notes: list[str] = []  # sentences about what was found or decided at startup
        self._run = self.home / "run"
        self._children: dict[str, Child] = {}
        self._lock: IO[str] | None = None
        self._failure: str | None = None
        self.asked_to_stop = False
        self._stopping = threading.Event()
        self._changed = threading.Condition()
        self._rotate_at = 0.0
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Begin starting everything; raises LocalError for problems that show in advance."""
        (self.home / "logs").mkdir(parents=True, exist_ok=True)
        self._run.mkdir(exist_ok=True)
        self._take_lock()
        stopped = leftovers.stop(
            leftovers.load(self._record_file), grace_seconds=LEFTOVER_GRACE_SECONDS
        )
        if stopped:
            names = ", ".join(child.name for child in stopped)
            self.notes.append(f"An earlier run was killed and left {names} running; stopped now.")
        machine.check_disk(self.home)
        self.hardware = hardware(
            self.environment,
            serves=INFERENCE in self.options.parts,
            trains=TRAIN_WORKER in self.options.parts,
        )
        self.notes += self.hardware.notes
        on_cpus = self.hardware.serving is None and not self.environment.vllm_url
        if INFERENCE in self.options.parts and on_cpus:
            machine.check_memory(self.environment.vllm_servers)
        self.endpoints = choose_endpoints(self.environment, self.options)
        for part in plan(self.environment, self.options, self.endpoints, self.hardware):
            self._children[part.name] = Child(part, self.home / "logs" / f"{part.name}.log")
        self._write_endpoints()
        self._thread = threading.Thread(target=self._supervise, name="supervisor", daemon=True)
        self._thread.start()

    def wait_ready(self, progress: Callable[[list[Status]], None] | None = None) -> None:
        """Return when every part is ready; raises LocalError when one gives up.

        `progress` is called in this thread, about once per second and at every change of state.
        """
        while True:
            statuses = self.statuses()
            if progress:
                progress(statuses)
            if self._failure:
                raise LocalError(self._failure)
            if self._stopping.is_set():
                raise LocalError("Stopped before everything was ready.")
            if all(status.state is State.READY for status in statuses):
                return
            with self._changed:
                self._changed.wait(timeout=1.0)

    def wait(self, progress: Callable[[list[Status]], None] | None = None) -> None:
        """Return when a stop was requested; raises LocalError when a part gives up."""
        while not self._stopping.is_set():
            if progress:
                progress(self.statuses())
            with self._changed:
                self._changed.wait(timeout=1.0)
        if self._failure:
            raise LocalError(self._failure)

    def request_stop(self) -> None:
        """Ask for a stop; safe to call in a signal handler."""
        self.asked_to_stop = True
        self.end_wait()

    def end_wait(self) -> None:
        """Make wait and wait_ready return."""
        self._stopping.set()

    def stop(self) -> None:
        """Stop everything in order, parts before what they need; has a time limit; may be repeated."""
        self._stopping.set()
        if self._thread:
            self._thread.join()
            self._thread = None
        if self._lock:
            for name in ("local.env", "processes.json", "valkey.conf"):
                (self._run / name).unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def statuses(self) -> list[Status]:
        return [child.status() for child in self._children.values()]

    @property
    def environ(self) -> dict[str, str]:
        """The environment for a child process, for example another `manage.py` command."""
        ours = {"RLFC_HOME": str(self.home), "PYTHONUNBUFFERED": "1"}
        return {**os.environ, **ours, **self.endpoints.variables, **self.hardware.variables}

    # Before the start.

    @property
    def _record_file(self) -> Path:
        return self._run / "processes.json"

    def _take_lock(self) -> None:
        lock = (self._run / "lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            pid = lock.read().strip() or "unknown"
            lock.close()
            raise LocalError(
                f"It is already running in {self.home} (process {pid}). Stop that one first, "
                "or set RLFC_HOME to another folder."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    def _write_endpoints(self) -> None:
        variables = self.endpoints.variables
        content = "".join(f"{name}='{value}'\n" for name, value in variables.items())
        write_atomically(self.environment.local_env_file, content, mode=0o600)

    # The supervising thread.

    def _supervise(self) -> None:
        try:
            while not self._stopping.is_set():
                before = [(child.state, child.detail) for child in self._children.values()]
                for child in self._children.values():
                    self._advance(child, now=time.monotonic())
                self._rotate_logs(now=time.monotonic())
                if before != [(child.state, child.detail) for child in self._children.values()]:
                    self._notify()
                self._stopping.wait(TICK_SECONDS)
        except LocalError as error:
            self._failure = str(error)
        except Exception as error:
            self._failure = f"The supervisor itself failed: {error!r}."
            raise
        finally:
            self._stopping.set()
            self._notify()
            self._stop_children()

    def _rotate_logs(self, *, now: float) -> None:
        if now < self._rotate_at:
            return
        self._rotate_at = now + ROTATE_EVERY_SECONDS
        for child in self._children.values():
            self._rotate(child.log)

    def _rotate(self, log: Path) -> None:
        # A full disk, say, must not stop the parts: the log stays as it is until the next look.
        with contextlib.suppress(OSError):
            machine.rotate(log, max_bytes=self.environment.log_megabytes * 1_000_000)

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _advance(self, child: Child, *, now: float) -> None:
        """Advance one part by one step. Raises LocalError when continuing is pointless."""
        match child.state:
            case State.WAITING:
                needs = [self._children[need] for need in child.part.needs]
                missing = [n.part.name for n in needs if n.state is not State.READY]
                child.detail = f"for {', '.join(missing)}" if missing else ""
                if not missing:
                    self._start(child, now=now)
            case State.STARTING:
                if self._exited(child):
                    self._after_exit(child, now=now)
                elif not child.part.job and now >= child.next_probe_at:
                    self._probe(child, now=now)
            case State.READY:
                if self._exited(child) and not child.part.job:
                    self._after_exit(child, now=now)
            case State.RESTARTING:
                if now >= child.restart_at:
                    self._start(child, now=now)
            case State.STOPPED:
                pass

    def _start(self, child: Child, *, now: float) -> None:
        child.state, child.detail = State.STARTING, ""
        child.started_at = child.next_probe_at = now
        part = child.part
        if part.external:
            return
        self._rotate(child.log)
        command = launched(part.command, death_signal=part.death_signal, user=part.user)
        with child.opened_log() as output:
            child.process = subprocess.Popen(
                command,
                cwd=part.folder,
                env={**self.environ, **part.variables},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C at the terminal is ours to handle
            )
        ticks = leftovers.started_ticks(child.process.pid)
        if ticks is not None:
            child.recorded = leftovers.Recorded(
                name=part.name,
                pid=child.process.pid,
                started_ticks=ticks,
                program=os.path.realpath(part.command[0]),
                stop_signal=int(part.stop_signal),
            )
            self._record()

    def _record(self) -> None:
        children = self._children.values()
        try:
            leftovers.save(self._record_file, [c.recorded for c in children if c.recorded])
        except OSError as error:  # a full disk stops no part
            log.warning("children_not_recorded", error=str(error))

    def _exited(self, child: Child) -> bool:
        return child.process is not None and child.process.poll() is not None

    def _probe(self, child: Child, *, now: float) -> None:
        problem = child.part.ready()
        child.next_probe_at = time.monotonic() + PROBE_EVERY_SECONDS
        if problem is None:
            child.state, child.detail, child.ready_at = State.READY, "", time.monotonic()
        elif now - child.started_at <= child.part.ready_seconds:
            child.detail = problem
        elif child.part.external:
            raise LocalError(
                f"{child.part.source} is set, but no usable server answered there within "
                f"{child.part.ready_seconds:.0f} seconds: {problem}."
            )
        else:
            raise LocalError(
                f"The {child.part.name} was not ready after {child.part.ready_seconds:.0f} "
                f"seconds: {problem}.{tail_sentence(child.log)}"
            )

    def _after_exit(self, child: Child, *, now: float) -> None:
        assert child.process is not None
        code = child.process.returncode
        if child.recorded:
            leftovers.kill_sessions([child.recorded])  # for example vLLM's engine processes
        if child.part.job:
            if code != 0:
                raise LocalError(
                    f"The {child.part.name} step failed ({exit_words(code)})."
                    f"{tail_sentence(child.log)}"
                )
            child.state, child.ready_at, child.recorded = State.READY, now, None
            return
        if child.state is State.READY and now - child.ready_at >= STEADY_SECONDS:
            child.crashes = 0
        child.crashes += 1
        if child.crashes > len(BACK_OFF_SECONDS):
            raise LocalError(
                f"The {child.part.name} died {child.crashes} times in a row, most recently with "
                f"{exit_words(code)}.{self._lost_gpu(child)}{tail_sentence(child.log)}"
            )
        delay = BACK_OFF_SECONDS[child.crashes - 1]
        child.state, child.restart_at = State.RESTARTING, now + delay
        when = f"in {delay:.0f} s" if delay else "now"
        child.detail = f"died ({exit_words(code)}); restarting {when}"

    def _lost_gpu(self, child: Child) -> str:
        card = self.hardware.serving
        if card is None or child.part.variables.get("CUDA_VISIBLE_DEVICES") != card.uuid:
            return ""
        return f" {sentence}" if (sentence := loss(card)) else ""

    def _stop_children(self) -> None:
        """Stop each part once nothing that needs it is running."""
        running = {
            name: child
            for name, child in self._children.items()
            if child.process is not None and child.process.poll() is None
        }
        while running:
            needed = {need for child in running.values() for need in child.part.needs}
            stage = [child for name, child in running.items() if name not in needed]
            self._stop_stage(stage)
            for child in stage:
                del running[child.part.name]
        for child in self._children.values():
            child.state, child.detail = State.STOPPED, ""
        self._notify()

    def _stop_stage(self, stage: list[Child]) -> None:
        for child in stage:
            child.detail = "stopping"
            assert child.process is not None
            with contextlib.suppress(ProcessLookupError):
                child.process.send_signal(child.part.stop_signal)
        self._notify()
        started = time.monotonic()
        for child in stage:
            assert child.process is not None
            left = child.part.stop_seconds - (time.monotonic() - started)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.0, left))
            if child.recorded:
                leftovers.kill_sessions([child.recorded])
            child.process.wait()


def launched(command: Sequence[str], *, death_signal: int, user: str = "") -> list[str]:
    """The command, wrapped so that it gets the signal when the thread that starts it ends."""
    launcher = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid())]
    return [*launcher, str(int(death_signal)), user, *command]


def local_environment() -> Variables:
    """The user's settings, without addresses that an earlier run may have left behind."""
    return Variables(_env_file=None)
