"""`manage.py chaos_play`: the trials, beside a running arena; started by `chaos`."""

import json
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import F

from agents.files import write_atomically
from arena.config.supervisor.machine import this_machine
from arena.environments import ENVIRONMENTS
from arena.management.chaos.browser import Browser
from arena.management.chaos.people import Person
from arena.management.chaos.processes import Processes
from arena.management.chaos.trials import TrialRecord, Trials, earlier_trials, patiently, report
from arena.models import Match, Space
from training.models import TrainingRun

PEOPLE = ("ada", "grace", "mary")
# What an administrator may set: matches of a few seconds. Of a game, one episode from each side; its
# answers are free, since the scripted model knows no moves.
SHORT_MATCHES = {"max_tokens": 64, "house_fill_seconds": 1}
SHORT_QUESTIONS = {"round_count": 3, "rounds_at_once": 3, "seat_count": 3}
SHORT_GAMES = {"round_count": F("seat_count"), "restricts_moves": False}


class Command(BaseCommand):
    help = "Let people act and processes die beside a running arena, and check what must hold."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--trials", type=int, required=True)
        parser.add_argument("--seed", type=int, required=True)
        parser.add_argument("--url", required=True, help="address of the site")
        parser.add_argument(
            "--json", type=Path, help="write a report to this file, or go on from it"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)  # it is away on purpose
        people = [Person(name, Browser(options["url"])) for name in PEOPLE]
        for person in people:
            patiently(person.join)
        patiently(_shorten_matches)
        trials = Trials(people, Processes(settings.HOME), seed=options["seed"])
        earlier = _earlier(options["json"], seed=options["seed"])
        done = earlier_trials(earlier)
        if done:
            self.stdout.write(f"{len(done)} trials of this seed are in {options['json']}.")
        content = _report(done, people, earlier, options)
        for number in range(len(done) + 1, options["trials"] + 1):
            trial = trials.run(number)
            done.append(trial)
            killed = ", ".join(victim for _, victim in trial.killed) or "nothing"
            outcome = "; ".join(trial.problems) or "all is well"
            self.stdout.write(f"{number}: killed {killed}; {trial.seconds:.0f} s; {outcome}")
            content = _report(done, people, earlier, options)
            if options["json"]:  # at once: a run that is stopped goes on from here
                write_atomically(options["json"], json.dumps(content, indent=1) + "\n")
        self.stdout.write(
            f"{content['passed']} of {content['trials']} trials passed in "
            f"{content['seconds'] / 60:.0f} minutes; killed: {content['killed']}; "
            f"waited for: {content['waited_for']}; "
            f"matches: {content['matches']}; runs: {content['runs']}; "
            f"{content['requests']} requests, {content['not_answered_at_once']} sent again, "
            f"error pages: {dict(content['error_pages'])}"
        )
        if content["passed"] < content["trials"]:
            raise CommandError("Not every trial passed.")


def _earlier(path: Path | None, *, seed: int) -> Mapping[str, Any]:
    """The report of a run of this seed that was stopped. Raises CommandError."""
    if path is None or not path.exists():
        return {}
    try:
        found = json.loads(path.read_text())
    except ValueError:
        found = None
    if not isinstance(found, dict) or found.get("seed") != seed:
        raise CommandError(f"{path} is no report of seed {seed}: name another file.")
    return found


def _report(
    done: Sequence[TrialRecord],
    people: Sequence[Person],
    earlier: Mapping[str, Any],
    options: Mapping[str, Any],
) -> dict[str, Any]:
    return report(done, people, earlier) | {
        "machine": this_machine(),
        "seed": options["seed"],
        "matches": _with(earlier.get("matches"), Match.objects.values_list("status", flat=True)),
        "runs": _with(earlier.get("runs"), TrainingRun.objects.values_list("status", flat=True)),
    }


def _with(earlier: Mapping[str, int] | None, found: Iterable[str]) -> dict[str, int]:
    return dict(Counter(earlier or {}) + Counter(found))


def _shorten_matches() -> None:
    Space.objects.update(**SHORT_MATCHES)
    for space in Space.objects.all():
        is_game = ENVIRONMENTS[space.environment].turn_limit > 1
        changes = SHORT_GAMES if is_game else SHORT_QUESTIONS
        Space.objects.filter(pk=space.pk).update(**changes)
