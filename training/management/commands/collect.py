"""`manage.py collect [--dry-run]`: delete what no setting keeps any longer, or tell what that would be."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.template.defaultfilters import filesizeformat

from training.retention.freed import Freed
from training.retention.sweep import KINDS, collect

MOST_SECONDS = 3600.0


class Command(BaseCommand):
    help = "Delete what no retention setting keeps any longer; the sweep does the same by itself."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only tell what is due")

    def handle(self, *args: Any, **options: Any) -> None:
        is_dry = options["dry_run"]
        freed = (
            {kind.name: kind.due() for kind in KINDS} if is_dry else collect(seconds=MOST_SECONDS)
        )
        for kind in KINDS:
            self.stdout.write(f"{_figures(freed[kind.name])} {kind.what}; kept {kind.kept()}")
        total = sum(freed.values(), Freed())
        verb = "are due" if is_dry else "were collected"
        self.stdout.write(
            f"{_figures(total)} {verb}. Adapters lose their files an hour after their mark."
        )


def _figures(freed: Freed) -> str:
    size = filesizeformat(freed.size_bytes).replace("\xa0", " ")
    return f"{freed.count:>9,} ({size})" if freed.size_bytes else f"{freed.count:>9,}"
