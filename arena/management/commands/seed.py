"""`manage.py seed`: create the base model, judges, Spaces and house agents that are missing."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from agents.models import BaseModel
from arena.seeding import seed


class Command(BaseCommand):
    help = "Create the base model, judges, Spaces and house agents that are missing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--base", default="", help="the short name of another base model: open Spaces on it too"
        )

    def handle(self, *args: Any, base: str, **options: Any) -> None:
        row = BaseModel.objects.filter(slug=base, is_active=True).first() if base else None
        if base and row is None:
            raise CommandError(
                f"There is no base model {base}. See: python manage.py base_model list"
            )
        seed(row)
