"""`manage.py up`: start everything on this machine, supervise it, stop it on Ctrl-C."""

import signal
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console

from arena.config.env import described
from arena.config.supervisor.errors import LocalError
from arena.config.supervisor.local import Local, local_environment
from arena.config.supervisor.parts import ALL_PARTS, Options
from arena.config.supervisor.screen import progress_on


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
            "--only",
            action="append",
            default=[],
            choices=sorted(ALL_PARTS),
            help="start only this part; may be repeated",
        )
        parser.add_argument(
            "--free-ports", action="store_true", help="use any free ports instead of the usual ones"
        )
        names = "; ".join(f"{name}: {text}" for name, text in described() if text)
        parser.epilog = f"Environment variables. {names}"

    def handle(self, *args: Any, **options: Any) -> None:
        parts = frozenset(options["only"]) or ALL_PARTS
        chosen = Options(
            parts=parts - frozenset(options["without"]), free_ports=options["free_ports"]
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
    """Make Ctrl-C, SIGTERM and a closed terminal ask for an orderly stop, which has a time limit."""

    def handler(number: int, frame: FrameType | None) -> None:
        local.request_stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)
    # Ignored under nohup, which should keep running.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, handler)
