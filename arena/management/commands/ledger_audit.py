"""`manage.py ledger_audit`: re-add every transfer; exit 1 on any difference."""

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError

from arena.credits.verdicts import audit_now


class Command(BaseCommand):
    help = "Re-add every transfer and compare with the accounts; exit 1 on any difference."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            result = audit_now()
        except OperationalError:
            raise CommandError(
                "The database does not answer. Start it with `python manage.py up`, or set "
                "DATABASE_URL."
            ) from None
        if options["json"]:
            self.stdout.write(json.dumps(asdict(result)))
        else:
            self.stdout.write(
                f"{result.transfers} transfers between {result.accounts} accounts; "
                f"{result.credits_in_circulation} credits in circulation, "
                f"{result.credits_held} held."
            )
        if result.problems:
            raise CommandError("\n".join(result.problems))
        if not options["json"]:
            self.stdout.write("Every sum agrees.")
