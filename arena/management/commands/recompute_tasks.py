"""`manage.py recompute_tasks MATCH`: draw a match's tasks and judges again; exit 1 if one is another."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError

from agents.errors import NotAvailable
from arena.matches.panel_draws import redrawn_panels
from arena.matches.task_draws import CannotRedraw, redrawn
from arena.queries import match_transcript


class Command(BaseCommand):
    help = "Draw a match's tasks and judges again from its revealed secret; exit 1 if any differ."
    requires_system_checks = ()  # a file needs no database

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "match", help="a match's number, or the file that its page offers as its transcript"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        named = options["match"]
        match_id, events = (
            self._stored(int(named)) if named.isdecimal() else self._read(Path(named))
        )
        try:
            tasks, panels = redrawn(match_id, events), redrawn_panels(match_id, events)
        except CannotRedraw as problem:
            raise CommandError(str(problem)) from None
        self.stdout.write(
            f"Match {match_id}: {len(events)} events, the last with SHA-256 {events[-1]['digest']}. "
            "The revealed secret fits its commitment."
        )
        for task in tasks:
            verdict = "the same" if task.is_same else f"recorded as {task.recorded_key}"
            self.stdout.write(f"Round {task.round}: drew {task.drawn_key}, {verdict}")
        for panel in panels:
            recorded = f"recorded as {', '.join(panel.recorded)}"
            verdict = "the same" if panel.is_same else recorded
            self.stdout.write(f"Round {panel.round}: drew {', '.join(panel.drawn)}, {verdict}")
        others = sum(not task.is_same for task in tasks)
        if others:
            raise CommandError(
                f"{others} of {len(tasks)} tasks differ. Either they were not drawn from this "
                "secret, or the match was played by a release whose environment made other tasks."
            )
        others = sum(not panel.is_same for panel in panels)
        if others:
            raise CommandError(f"The judges of {others} of {len(panels)} rounds were not drawn.")
        self.stdout.write("Every task is the one that was drawn.")

    def _stored(self, match_id: int) -> tuple[int, Sequence[Mapping[str, Any]]]:
        try:
            return match_id, match_transcript(match_id)
        except NotAvailable as problem:
            raise CommandError(str(problem)) from None
        except OperationalError:
            raise CommandError(
                "The database does not answer. Start it with `python manage.py up`, or name the "
                "file of a transcript."
            ) from None

    def _read(self, path: Path) -> tuple[int, Sequence[Mapping[str, Any]]]:
        try:
            value = json.loads(path.read_text())
            match_id, events = int(value["match"]), list(value["events"])
        except OSError as problem:
            raise CommandError(f"{path} cannot be read: {problem.strerror}.") from None
        except (ValueError, KeyError, TypeError):
            raise CommandError(f"{path} is not a match transcript.") from None
        return match_id, events
