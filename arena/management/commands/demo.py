"""`manage.py demo`: start everything and let two users' agents compete until one has learned."""

import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console

from arena.config.env import Variables
from arena.config.supervisor.companion import fresh_home, run_beside
from arena.config.supervisor.errors import LocalError
from arena.config.supervisor.local import Local, local_environment
from arena.config.supervisor.parts import Options
from arena.config.supervisor.screen import progress_on
from arena.management.commands.up import stop_on_signals

# So that the first run comes soon enough to watch on two cores; the environment overrides them.
DEMO_VARIABLES = {"TRAINING_PAIRS": "24", "GATE_TASKS": "32", "PROBE_TASKS": "8"}
# Neither is part of the loop that is shown, and each takes time from it.
HEADLESS_VARIABLES = {"DAILY_TOURNAMENT": "no", "GOLD_A_DAY": "0"}


class Command(BaseCommand):
    help = "Start everything and show the loop: compete, be judged, learn, play the next match."
    requires_system_checks = ()  # they need the database that this command starts

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--headless",
            action="store_true",
            help="use free ports and a fresh folder, and stop once the loop has closed",
        )
        parser.add_argument("--json", type=Path, help="write a report to this file")
        parser.add_argument("--minutes", type=float, default=18.0, help="give up after this time")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["json"] and not options["json"].resolve().parent.is_dir():
            raise CommandError(f"There is no folder {options['json'].resolve().parent}.")
        variables = DEMO_VARIABLES | (HEADLESS_VARIABLES if options["headless"] else {})
        for name, value in variables.items():
            os.environ.setdefault(name, value)
        environment = local_environment()
        if not options["headless"]:
            self._show(environment, options)
            return
        with fresh_home(environment, complain=self.stderr.write) as fresh:
            self._show(fresh, options)

    def _show(self, environment: Variables, options: dict[str, Any]) -> None:
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
                code = run_beside(local, _people(options), until_it_ends=options["headless"])
                console.print("Stopping.")
        except LocalError as error:
            if not local.asked_to_stop:
                raise CommandError(str(error)) from None
        console.print("Stopped.")
        if options["headless"] and code != 0:
            raise CommandError("The loop did not close.")


def _people(options: dict[str, Any]) -> list[str]:
    arguments = ["demo_play", "--minutes", str(options["minutes"])]
    if options["json"]:
        arguments += ["--json", str(options["json"].resolve())]
    if not options["headless"]:
        arguments += ["--forever"]
    return arguments
