"""`manage.py up`: start everything on this machine, watch over it, stop it on Ctrl-C."""

import signal
import sys
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console

from arena.config.env import described
from arena.config.local import Local, LocalError, local_environment
from arena.config.parts import ALL_PARTS, Options
from arena.config.screen import progress_on


class Command(BaseCommand):
    help = "Start PostgreSQL, Valkey, vLLM, the web server, the workers and beat; supervise them."
    requires_system_checks = ()  # they need the database that this command starts

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--without",
            action="append",
            default=[],
            choices=sorted(ALL_PARTS),
            help="leave this part out; may be repeated",
        )
        parser.add_argument(
            "--free-ports", action="store_true", help="take any free ports, not the usual ones"
        )
        names = "; ".join(f"{name}: {text}" for name, text in described() if text)
        parser.epilog = f"Environment variables. {names}"

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = Options(
            parts=ALL_PARTS - frozenset(options["without"]), free_ports=options["free_ports"]
        )
        local = Local(local_environment(), chosen)
        stop_on_signals(local)
        console = Console()
        try:
            with local, progress_on(console) as progress:
                for note in local.notes:
                    console.print(note, highlight=False)
                local.wait_ready(progress)
                progress(local.statuses())
                console.print(f"\nReady: {local.endpoints.web_url}/", highlight=False)
                console.print(f"Logs: {local.home / 'logs'}   Stop: Ctrl-C", highlight=False)
                local.wait(progress)
                console.print("Stopping.")
        except LocalError as error:
            if not local.asked_to_stop:
                raise CommandError(str(error)) from None
        console.print("Stopped.")


def stop_on_signals(local: Local) -> None:
    """Ctrl-C and SIGTERM ask for an orderly stop, which is bounded; more of them change nothing."""

    def handler(number: int, frame: FrameType | None) -> None:
        local.request_stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)
    if sys.stdin is not None and not sys.stdin.isatty():
        signal.signal(signal.SIGHUP, handler)
