"""`manage.py chaos`: kill any process at any moment, again and again, and see whether all still holds."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any, Self

from django.core.management.base import BaseCommand, CommandError, CommandParser

from agents.files import write_atomically
from arena.config.env import REPOSITORY, Variables
from arena.config.supervisor import machine
from arena.config.supervisor.companion import fresh_home
from arena.config.supervisor.local import launched, local_environment
from arena.management.chaos import base
from arena.management.chaos.processes import MODEL_PID

RESTART_SECONDS = 0.5
START_SECONDS = 120.0  # until the first addresses are known
STOP_SECONDS = 60.0
# The product's own settings: a short loop, frequent sweeps, and workers that are soon missed.
VARIABLES = {
    "DAILY_TOURNAMENT": "no",  # it could begin in the middle of a trial and last longer
    "GOLD_A_DAY": "0",
    "SWEEP_SECONDS": "1",
    "TAKEOVER_SECONDS": "6",
    "TRAINING_PAIRS": "24",
    "GATE_TASKS": "8",
    "PROBE_TASKS": "0",
    "HOUSE_STAKE": "1000000",
    "BASE_MODEL": base.NAME,
}


class Command(BaseCommand):
    help = "Kill any process at any moment while people play and train; everything must hold."
    requires_system_checks = ()  # they need the database that this command starts

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--trials", type=int, default=200)
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument(
            "--json", type=Path, help="write a report to this file, or go on from it"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["trials"] < 1:
            raise CommandError("Choose at least one trial.")
        if options["json"] and not options["json"].resolve().parent.is_dir():
            raise CommandError(f"There is no folder {options['json'].resolve().parent}.")
        environment = local_environment()
        tokenizer = environment.base_model_path or (
            environment.rlfc_home / "models" / environment.base_model
        )
        if not (tokenizer / "tokenizer.json").is_file():
            raise CommandError(
                "There is no base model whose tokenizer could be used: make install."
            )
        with fresh_home(environment, complain=self.stderr.write) as fresh:
            folder = fresh.rlfc_home / "models" / base.NAME
            base.make_base(folder, tokenizer_from=tokenizer)
            with _Operator(fresh, folder) as operator:
                code = operator.run_trials(_arguments(options))
        if code != 0:
            raise CommandError("Not every trial passed.")


def _arguments(options: dict[str, Any]) -> list[str]:
    arguments = ["--trials", str(options["trials"]), "--seed", str(options["seed"])]
    if options["json"]:
        arguments += ["--json", str(options["json"].resolve())]
    return arguments


class _Operator:
    """Starts `manage.py up` and the scripted model, and starts them again whenever they end.

    That is what a machine's service manager does. One thread owns both: see `launched`.
    """

    def __init__(self, environment: Variables, folder: Path) -> None:
        self._run = environment.rlfc_home / "run"
        self._run.mkdir(exist_ok=True)
        self._model_port, self._web_port = (machine.free_port("127.0.0.1", 0) for _ in range(2))
        url = f"http://127.0.0.1:{self._model_port}"
        # Another site's addresses must not leak in.
        kept = {
            name: value
            for name, value in os.environ.items()
            if name not in {"DATABASE_URL", "VALKEY_URL", "VLLM_API_KEY"}
        }
        self._own = {**kept, "RLFC_HOME": str(environment.rlfc_home), **VARIABLES}
        self._own |= {"VLLM_URL": url, "BASE_MODEL_PATH": str(folder), "PYTHONUNBUFFERED": "1"}
        python = sys.executable
        model = [python, "-m", "arena.management.chaos.model", str(self._model_port)]
        self._commands = {
            "model": [*model, base.NAME, str(folder)],
            "up": [python, "manage.py", "up", "--free-ports"],
        }
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep_running, daemon=True)

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def run_trials(self, arguments: list[str]) -> int:
        """The exit status of `manage.py chaos_play`."""
        url = f"http://127.0.0.1:{self._web_port}"
        command = [sys.executable, "manage.py", "chaos_play", "--url", url, *arguments]
        # It finds the database through the home's local.env, as any command does.
        environment = {**self._own, "LOG_LEVEL": "ERROR"}
        deadline = time.monotonic() + START_SECONDS
        while not (self._run / "local.env").exists():
            if self._stopping.wait(RESTART_SECONDS):
                return 1
            if time.monotonic() > deadline:
                log = self._run.parent / "up.log"
                raise CommandError(f"The arena did not start: {machine.tail(log)}")
        trials = subprocess.Popen(command, cwd=REPOSITORY, env=environment)
        while trials.poll() is None:
            if self._stopping.wait(RESTART_SECONDS):
                trials.terminate()
                trials.wait()
        return trials.returncode

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stopping.set()

    def _keep_running(self) -> None:
        while not self._stopping.is_set():
            for name, command in self._commands.items():
                child = self._children.get(name)
                if child is None or child.poll() is not None:
                    self._start(name, command)
            self._stopping.wait(RESTART_SECONDS)
        for child in self._children.values():
            child.terminate()
        for child in self._children.values():
            child.wait(STOP_SECONDS)

    def _start(self, name: str, command: list[str]) -> None:
        own = {"WEB_PORT": str(self._web_port)} if name == "up" else {}
        with (self._run.parent / f"{name}.log").open("ab") as log:
            child = subprocess.Popen(
                launched(command, death_signal=signal.SIGTERM),
                cwd=REPOSITORY,
                env={**self._own, **own},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C at the terminal is ours to handle
            )
        self._children[name] = child
        if name == "model":
            write_atomically(self._run / MODEL_PID, str(child.pid))
