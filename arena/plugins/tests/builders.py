"""Packages with environments, installed into a folder as pip leaves them there."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from django.conf import settings

from arena.environments import ENVIRONMENTS
from arena.plugins.environment import PREFIX, PluginEnvironment, family


def built(source: Path, folder: Path) -> Path:
    """The folder, with the package as pip installs it."""
    arguments = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *arguments, "--target", folder, source],
        check=True,
        env={"PATH": "/usr/bin:/bin", "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )
    return folder


@contextmanager
def allowed(*names: str) -> Iterator[None]:
    """PLUGIN_ENVIRONMENTS has these names; what was made of them is forgotten at the end."""
    with (
        patch.object(settings.ENV, "plugin_environments", list(names)),
        patch.object(ENVIRONMENTS, "_known", dict(ENVIRONMENTS._known)),
        patch.object(ENVIRONMENTS, "_families", dict(ENVIRONMENTS._families)),
        patch.object(ENVIRONMENTS, "_made", dict(ENVIRONMENTS._made)),
    ):
        ENVIRONMENTS.add_family(PREFIX, family(names))
        try:
            yield
        finally:
            for name in names:
                made = ENVIRONMENTS._made.get(f"{PREFIX}/{name}")
                if isinstance(made, PluginEnvironment):
                    made.close()


def install(
    folder: Path, source: str, *, offers: Mapping[str, str], package: str = "naughty"
) -> None:
    """A module `package` with this source, offering {name: attribute of the module}."""
    module = package.replace("-", "_")
    (folder / f"{module}.py").write_text(source)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = [f"{name} = {module}:{attribute}" for name, attribute in offers.items()]
    (info / "entry_points.txt").write_text("\n".join(["[rlfc.environments]", *lines, ""]))


# An environment of one turn that does what its answer says.
NAUGHTY = """
import ctypes, fcntl, os, pathlib, socket, struct, subprocess, sys, threading, time
from arena.environments.base import IllegalTurn, Score, Seats, Split, Task, TextView
from judges.transcript import Check

HERE = pathlib.Path(__file__).parent


def busy():
    while True:
        pass


def queue_signal():
    number = {"x86_64": 129, "aarch64": 138}[os.uname().machine]
    info = struct.pack("iii", 9, 0, -1).ljust(128, bytes(1))
    if ctypes.CDLL(None, use_errno=True).syscall(number, os.getppid(), 9, info) < 0:
        raise OSError(ctypes.get_errno(), "not sent")


DEEDS = {
    "raise": lambda: 1 / 0,
    "exit": lambda: sys.exit("bye"),
    "end": lambda: os._exit(3),
    "hang": lambda: time.sleep(600),
    "spin": busy,
    "write": lambda: (HERE / "written").write_text("x"),
    "append": lambda: open(__file__, "a"),
    "delete": lambda: os.remove(__file__),
    "fork": os.fork,
    "program": lambda: subprocess.run(["true"]),
    "kill": lambda: os.kill(os.getppid(), 9),
    "slow down": lambda: os.setpriority(os.PRIO_PROCESS, os.getppid(), 19),
    "starve": lambda: os.sched_setscheduler(os.getppid(), os.SCHED_IDLE, os.sched_param(0)),
    "pin": lambda: os.sched_setaffinity(os.getppid(), os.sched_getaffinity(0)),
    "queue a signal": queue_signal,
    "be signalled for": lambda: fcntl.fcntl(os.pipe()[1], fcntl.F_SETOWN, os.getppid()),
    "empty": lambda: os.truncate(__file__, 0),
    "connect": lambda: socket.socket(),
    "read": lambda: pathlib.Path("/etc/passwd").read_text(),
    "memory": lambda: bytearray(4 << 30),
    "open many": lambda: [open(__file__) for _ in range(1000)],
}


class Naughty:
    name = "Naughty"
    max_task_chars = 100
    seats = Seats(1, 4)
    turn_limit = 1
    difficulty_count = 1

    def make_task(self, rng, split, difficulty=0):
        return Task("naughty", f"Do {rng.random()}.", {"n": 1}, split)

    practice_task = make_task

    def score(self, task, text):
        value = {"NaN": float("nan"), "infinite": float("inf"), "two": 2.0, "text": "1"}
        return Score(value.get(text, 0.5), True, (Check("a", True, "b"),))

    def begin(self, task, seats):
        return {"answers": [None] * seats}

    def to_move(self, position):
        return position.get("movers") or [
            seat for seat, text in enumerate(position["answers"]) if text is None
        ]

    def observe(self, position, seat):
        return [{"role": "user", "content": position.get("shown", "Do something.")}]

    def moves(self, position, seat):
        return ("a", "b")

    def act(self, position, seat, text):
        if text == "illegal":
            raise IllegalTurn("That is\\nnot allowed. " + "x" * 2000)
        if text == "large":
            return {"answers": "x" * 10_000_000}
        if text == "deep":
            deep = []
            for _ in range(900):
                deep = [deep]
            return {"answers": deep}
        if text == "list":
            return []
        if text == "set":
            return {"answers": {1}}
        if text == "NaN":
            return {"answers": [float("nan")]}
        if text == "surrogate":
            return {"answers": ["\\ud800"]}
        if text == "print":
            print('{"id": 0, "value": 0}')
            os.write(1, b"x" * 1000)
        if text == "thread":
            threading.Thread(target=print).start()
        if text == "babble":
            for number in range(3, 64):
                try:
                    os.write(number, b"not json\\n")
                except OSError:
                    pass
        if text == "forge":
            for number in range(3, 64):
                try:
                    os.write(number, b'{"id": 0, "value": {}}\\n')
                except OSError:
                    pass
        if text == "environment":
            return {"answers": sorted(os.environ)}
        if text in DEEDS:
            DEEDS[text]()
        answers = list(position["answers"])
        answers[seat] = text
        return {"answers": answers}

    def forfeit(self, position, seat):
        return self.act(position, seat, "")

    def payoffs(self, position):
        return dict(position.get("payoffs", {}))

    def view(self, position):
        return position.get("view") or TextView("words")

    def solve(self, position, seat, rng):
        return str(rng.random())


class CannotStart(Naughty):
    def __init__(self):
        raise RuntimeError("no licence")


class NeverStarts(Naughty):
    def __init__(self):
        time.sleep(600)


class Halved(Naughty):
    solve = None


class Boundless(Naughty):
    max_task_chars = 10**9

"""
