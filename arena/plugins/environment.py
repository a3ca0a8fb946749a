"""The near end of a plug-in: an Environment whose every call goes to the package's own process.

Safe for several threads: calls go through one lock. A process that dies, hangs or breaks the
protocol is killed and started again, after a pause that grows with faults in a row.
"""

import atexit
import json
import os
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import count
from random import Random
from time import monotonic
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import structlog

from arena.environments.base import (
    Environment,
    EnvironmentFault,
    IllegalTurn,
    Message,
    Position,
    Score,
    Seats,
    Split,
    Task,
    UnknownEnvironment,
    View,
)
from arena.environments.registry import Family
from arena.plugins import wire
from arena.plugins.wire import MAX_LINE_BYTES, BadReply, Facts, read_sentence
from judges.pipes import PipedProcess

PREFIX = "plugin"  # a Space stores PREFIX/NAME
START_SECONDS = 20.0
CALL_SECONDS = 5.0
ATTEMPTS = 2  # of a call whose process ends: an environment is pure, so asking again is safe
FIRST_PAUSE_SECONDS = 1.0  # after the second fault in a row; doubles from there
MAX_PAUSE_SECONDS = 60.0
FORGET_SECONDS = 120.0  # without a fault, after which earlier ones no longer count
# All that the process gets: none of the site's addresses, keys or passwords.
INHERITED = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH")
_VARIABLES = {
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",  # sets have the same order on any machine
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}

T = TypeVar("T")

log = structlog.get_logger(__name__)


class PluginEnvironment:
    """An Environment of a package. Attributes and methods raise EnvironmentFault.

    No process is started before the first of them is needed.
    """

    name: str
    max_task_chars: int
    seats: Seats
    turn_limit: int
    difficulty_count: int

    def __init__(
        self, name: str, *, start_seconds: float = START_SECONDS, call_seconds: float = CALL_SECONDS
    ) -> None:
        self.slug = f"{PREFIX}/{name}"
        self._host = _Host(name, start_seconds=start_seconds, call_seconds=call_seconds)
        atexit.register(self.close)

    if not TYPE_CHECKING:  # which would take it for every method that is missing here

        def __getattr__(self, attribute: str) -> Any:
            """The plug-in's facts, asked for when the first one is wanted and kept from then on."""
            if attribute not in Facts.__annotations__:
                raise AttributeError(attribute)
            vars(self).update(vars(self._host.facts()))
            return vars(self)[attribute]

    def make_task(self, rng: Random, split: Split, difficulty: int = 0) -> Task:
        return self._task("make_task", rng, split, difficulty)

    def practice_task(self, rng: Random, split: Split, difficulty: int = 0) -> Task:
        return self._task("practice_task", rng, split, difficulty)

    def score(self, task: Task, text: str) -> Score:
        return self._host.ask(wire.read_score, "score", task.as_json(), text)

    def begin(self, task: Task, seats: int) -> Position:
        if seats not in self.seats:
            few, most = self.seats.fewest, self.seats.most
            raise EnvironmentFault(f"{self.slug} is played by {few} to {most} seats, not {seats}.")
        return self._host.ask(wire.read_position, "begin", task.as_json(), seats)

    def to_move(self, position: Position) -> tuple[int, ...]:
        return self._host.ask(self._about_seats(wire.read_seats), "to_move", position)

    def observe(self, position: Position, seat: int) -> list[Message]:
        most = self.max_task_chars
        return self._host.ask(
            lambda value: wire.read_messages(value, max_characters=most), "observe", position, seat
        )

    def moves(self, position: Position, seat: int) -> tuple[str, ...]:
        return self._host.ask(wire.read_moves, "moves", position, seat)

    def act(self, position: Position, seat: int, text: str) -> Position:
        return self._host.ask(wire.read_position, "act", position, seat, text)

    def forfeit(self, position: Position, seat: int) -> Position:
        return self._host.ask(wire.read_position, "forfeit", position, seat)

    def payoffs(self, position: Position) -> Mapping[int, float]:
        return self._host.ask(self._about_seats(wire.read_payoffs), "payoffs", position)

    def view(self, position: Position) -> View:
        return self._host.ask(self._about_seats(wire.read_view), "view", position)

    def solve(self, position: Position, seat: int, rng: Random) -> str:
        seed = rng.getrandbits(64)
        return self._host.ask(wire.read_move, "solve", position, seat, seed)

    def close(self) -> None:
        """End the process, if there is one; the next call starts another."""
        self._host.close()

    def _task(self, call: str, rng: Random, split: Split, difficulty: int) -> Task:
        arguments = rng.getrandbits(64), split.value, difficulty
        most = self.max_task_chars
        return self._host.ask(
            lambda value: wire.read_task(value, split=split, max_characters=most), call, *arguments
        )

    def _about_seats(self, read: Callable[..., T]) -> Callable[[Any], T]:
        return partial(read, seats=self.seats)


class _Host:
    """One plug-in's process as this process keeps it."""

    def __init__(self, name: str, *, start_seconds: float, call_seconds: float) -> None:
        self._name = name
        self._start_seconds = start_seconds
        self._call_seconds = call_seconds
        self._lock = threading.Lock()
        self._child: PipedProcess | None = None
        self._ready: Any = None  # what the child said of itself
        self._ids = count(1)
        self._faults = 0  # in a row
        self._last_fault_at = 0.0
        self._last_fault = ""
        self._rests_until = 0.0

    def facts(self) -> Facts:
        with self._turn():
            try:
                self._started()
                return wire.read_facts(self._ready)
            except BadReply as error:
                self._give_up(f"{error}")

    def ask(self, read: Callable[[Any], T], call: str, *arguments: Any) -> T:
        """What the plug-in answers, as `read` accepts it. Raises IllegalTurn and EnvironmentFault."""
        request = {"id": next(self._ids), "call": call, "arguments": arguments}
        line = json.dumps(request).encode() + b"\n"
        if len(line) > MAX_LINE_BYTES:
            raise EnvironmentFault(f"A call of {PREFIX}/{self._name} is too long for its process.")
        with self._turn():
            reply = self._reply(line, call)
            if reply.get("id") != request["id"]:
                self._give_up(f"{call}() got the reply to another call")
        if call == "act" and "illegal" in reply:
            raise IllegalTurn(read_sentence(reply["illegal"]))
        if "value" not in reply:
            why = reply.get("error", f"raised IllegalTurn: {reply.get('illegal')}")
            raise self._fault(f"{call}() failed: {read_sentence(why)}")
        try:
            return read(reply["value"])
        except BadReply as error:
            raise self._fault(f"{call}() gave a wrong answer: {error}") from error

    def close(self) -> None:
        with self._lock:
            self._end()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Hold the lock, waiting no longer than one start and one call of somebody else take."""
        if not self._lock.acquire(timeout=self._start_seconds + self._call_seconds):
            raise self._fault("it is too busy")
        try:
            yield
        finally:
            self._lock.release()

    def _reply(self, line: bytes, call: str) -> dict[str, Any]:
        for attempt in range(1, ATTEMPTS + 1):
            child = self._started()
            try:
                child.write(line, seconds=self._call_seconds)
                return child.read(seconds=self._call_seconds)
            except TimeoutError:
                self._give_up(f"{call}() took longer than {self._call_seconds:g} seconds")
            except OSError:
                if attempt == ATTEMPTS:
                    self._give_up(f"its process ended in {call}()")
                self._end()
            except ValueError as error:
                self._give_up(f"{call}() broke the protocol: {error}")
        raise AssertionError("the last attempt returns or raises")

    def _started(self) -> PipedProcess:
        if self._child is not None and self._child.is_usable():
            return self._child
        self._end()
        if (rest := self._rests_until - monotonic()) > 0:
            raise self._fault(f"{self._last_fault}; it is tried again in {rest:.0f} seconds")
        command = (sys.executable, "-m", "arena.plugins.host", self._name)
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        paths = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        try:
            self._child = PipedProcess(
                command,
                variables=inherited | _VARIABLES | paths,
                max_line_bytes=MAX_LINE_BYTES,
                is_quiet=True,
            )
            said = self._child.read(seconds=self._start_seconds)
        except TimeoutError:
            self._give_up(f"it did not start within {self._start_seconds:g} seconds")
        except OSError:
            self._give_up("its process ended while it started")
        except ValueError as error:
            self._give_up(f"its process broke the protocol when it started: {error}")
        if "ready" not in said:
            self._give_up(read_sentence(said.get("error")))
        self._ready = said["ready"]
        return self._child

    def _give_up(self, why: str) -> NoReturn:
        """End the process after a fault that leaves it useless."""
        self._end()
        now = monotonic()
        self._faults = 1 if now - self._last_fault_at > FORGET_SECONDS else self._faults + 1
        self._last_fault_at, self._last_fault = now, why
        if self._faults > 1:
            pause = FIRST_PAUSE_SECONDS * 2.0 ** (self._faults - 2)
            self._rests_until = now + min(MAX_PAUSE_SECONDS, pause)
        log.warning("plugin_ended", name=self._name, fault=why, faults_in_a_row=self._faults)
        raise self._fault(why)

    def _fault(self, why: str) -> EnvironmentFault:
        return EnvironmentFault(f"The environment {PREFIX}/{self._name} failed: {why.rstrip('.')}.")

    def _end(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None


def family(allowed: Collection[str]) -> Family:
    """Makes the environments of these names, of whatever package offers them."""

    def made(name: str) -> Environment:
        if name not in allowed:
            raise UnknownEnvironment(
                f"There is no environment '{PREFIX}/{name}' on this installation: "
                f"PLUGIN_ENVIRONMENTS does not name {name}."
            )
        return PluginEnvironment(name)

    return made
