"""`manage.py seed`: create the base model, judges, Spaces and house agents that are missing."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connection

from agents.models import BaseModel
from arena.seeding import seed
from arena.seeding.adding import add_space


class Command(BaseCommand):
    help = "Create the base model, judges, Spaces and house agents that are missing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--base", default="", help="the short name of another base model: open Spaces on it too"
        )
        parser.add_argument(
            "--space",
            type=Path,
            metavar="FILE",
            help="open this Space as well: a JSON object of its fields, as docs/environments.md shows",
        )

    def handle(self, *args: Any, base: str, space: Path | None, **options: Any) -> None:
        values = _read(space) if space else None
        _require_database()
        row = BaseModel.objects.filter(slug=base, is_active=True).first() if base else None
        if base and row is None:
            raise CommandError(
                f"There is no base model {base}. See: python manage.py base_model list"
            )
        base_model = seed(row)
        if values is not None:
            self._add(values, base_model)

    def _add(self, values: dict[str, Any], base_model: BaseModel) -> None:
        try:
            added, is_new = add_space(values, base_model=base_model)
        except ValidationError as error:
            raise CommandError("\n".join(_sentences(error))) from None
        self.stdout.write(
            f"The Space {added.name} is open: /spaces/{added.slug}/"
            if is_new
            else f"There is already a Space {added.slug}; it stays as it is. "
            f"To change it: /admin/arena/space/{added.pk}/change/"
        )


def _require_database() -> None:
    try:
        connection.ensure_connection()
    except OperationalError:
        raise CommandError(
            "The database does not answer. Start it with `python manage.py up`, or set "
            "DATABASE_URL."
        ) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text())
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise CommandError(f"{path} is not JSON: {error}.") from None
    if not isinstance(values, dict):
        raise CommandError(f"{path} holds no JSON object with the fields of a Space.")
    return values


def _sentences(error: ValidationError) -> list[str]:
    return [
        f"{field}: {sentence}" if field != "__all__" else sentence
        for field, sentences in sorted(error.message_dict.items())
        for sentence in sentences
    ]
