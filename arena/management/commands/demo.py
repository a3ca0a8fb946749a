"""`manage.py demo`: start everything, let two users' agents compete until one has learned."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console

from arena.config.env import REPOSITORY, Environment
from arena.config.local import Local, LocalError, local_environment
from arena.config.parts import Options
from arena.config.screen import progress_on
from arena.management.commands.up import stop_on_signals

CHILD_STOP_SECONDS = 10.0
# A first run soon enough to be watched on two cores; whoever sets them decides.
DEMO_VARIABLES = {"TRAINING_PAIRS": "24", "GATE_TASKS": "32"}


class Command(BaseCommand):
    help = "Start everything and show the loop: compete, be judged, learn, play the next match."
    requires_system_checks = ()  # they need the database that this command starts

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--headless",
            action="store_true",
            help="use free ports and a fresh folder, stop when the loop has closed",
        )
        parser.add_argument("--json", type=Path, help="write what happened to this file")
        parser.add_argument("--minutes", type=float, default=18.0, help="give up after that")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["json"] and not options["json"].resolve().parent.is_dir():
            raise CommandError(f"There is no folder {options['json'].resolve().parent}.")
        for name, value in DEMO_VARIABLES.items():
            os.environ.setdefault(name, value)
        environment = local_environment()
        if not options["headless"]:
            self._show(environment, options)
            return
        home = Path(tempfile.mkdtemp(prefix="rlfc-demo-"))
        home.chmod(0o755)  # as root, PostgreSQL runs as another user and must reach its folder
        os.environ["RLFC_HOME"] = str(home)
        model = environment.rlfc_home / "models" / environment.base_model
        if environment.base_model_path is None and (model / "config.json").is_file():
            os.environ["BASE_MODEL_PATH"] = str(model)
        try:
            self._show(local_environment(), options)
        except BaseException:
            self.stderr.write(f"Logs: {home / 'logs'}")
            raise
        shutil.rmtree(home, ignore_errors=True)

    def _show(self, environment: Environment, options: dict[str, Any]) -> None:
        console = Console()
        local = Local(environment, Options(free_ports=options["headless"]))
        stop_on_signals(local)
        code: int | None = None
        try:
            with local:
                with progress_on(console) as progress:
                    for note in local.notes:
                        console.print(note, highlight=False)
                    local.wait_ready(progress)
                console.print(f"\nReady: {local.endpoints.web_url}/", highlight=False)
                if not options["headless"]:
                    console.print(f"Logs: {local.home / 'logs'}   Stop: Ctrl-C", highlight=False)
                code = _people(local, options)
                console.print("Stopping.")
        except LocalError as error:
            if not local.asked_to_stop:
                raise CommandError(str(error)) from None
        console.print("Stopped.")
        if options["headless"] and code != 0:
            raise CommandError("The loop did not close.")


def _people(local: Local, options: dict[str, Any]) -> int | None:
    """Run `demo_play` until it ends or a stop is asked for; its exit status, if it ended."""
    command = [sys.executable, str(REPOSITORY / "manage.py"), "demo_play"]
    command += ["--minutes", str(options["minutes"])]
    if options["json"]:
        command += ["--json", str(options["json"].resolve())]
    if not options["headless"]:
        command += ["--forever"]
    child = subprocess.Popen(
        command,
        env=local.environ,
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C at the terminal is ours to handle
    )

    def watch() -> None:
        child.wait()
        local.request_stop()

    if options["headless"]:
        threading.Thread(target=watch, daemon=True).start()
    try:
        local.wait()
        return child.poll()
    finally:
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(CHILD_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
