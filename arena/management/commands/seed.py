"""`manage.py seed`: create the base model, judges, Spaces and house agents that are missing."""

from typing import Any

from django.core.management.base import BaseCommand

from arena.seeding import seed


class Command(BaseCommand):
    help = "Create the base model, judges, Spaces and house agents that are missing."

    def handle(self, *args: Any, **options: Any) -> None:
        seed()
