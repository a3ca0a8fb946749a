"""`manage.py demo_play`: the demo's users, beside a running arena; started by `demo`."""

import json
import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from agents.files import write_atomically
from arena.management.demo import people


class Command(BaseCommand):
    help = "Play demo matches against a running arena until an agent has learned from them."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", type=Path, help="write a report to this file")
        parser.add_argument("--minutes", type=float, default=18.0, help="give up after this time")
        parser.add_argument("--forever", action="store_true", help="keep matches going afterwards")

    def handle(self, *args: Any, **options: Any) -> None:
        agents, password = people.cast()
        if options["forever"]:
            self.stdout.write(f"Sign in as demo with the password {password}")
        started = time.monotonic()
        run, stalled = None, None
        try:
            run = people.play_until_learned(
                agents, seconds=options["minutes"] * 60, say=self.stdout.write
            )
        except people.DemoStalled as error:
            stalled = str(error)
        content = people.report(run, seconds=time.monotonic() - started)
        if options["json"]:
            write_atomically(options["json"], json.dumps(content, indent=2, default=str) + "\n")
        if run:
            self.stdout.write(
                f"The loop closed: {run.agent.name} learned from {run.pair_count} pairs; "
                f"{run.reason}"
            )
        if options["forever"]:
            if stalled:
                self.stderr.write(stalled)
            people.keep_alive(agents, say=self.stdout.write)
        if stalled or not content["loop_closed"]:
            raise CommandError(stalled or "The ledger does not add up: run ledger_audit.")
