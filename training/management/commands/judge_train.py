"""`manage.py judge_train`: trains a version of the learned judge, and prints how it fares."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from agents.errors import Refused
from agents.files import write_atomically
from judges.learned.records import CannotRollBack, roll_back
from judges.tools import CannotJudge
from training.judging.making import answers_of_file
from training.judging.training import learned_judge, train_judge
from training.worker.child import TrainerDied, TrainerPostponed


class Command(BaseCommand):
    help = "Train the learned judge on labels of this installation; the gate decides if it votes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--minutes", type=float, default=15.0, help="for all of it, about")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--json", type=Path, help="write the figures to this file, too")
        parser.add_argument(
            "--answers", type=Path, help="JSON Lines of environment, task and text: more answers"
        )
        parser.add_argument(
            "--roll-back", action="store_true", help="let the version adopted before vote again"
        )

    def handle(self, **options: Any) -> None:
        if options["roll_back"]:
            try:
                earlier = roll_back(learned_judge().pk)
            except CannotRollBack as error:
                raise CommandError(str(error)) from None
            self.stdout.write(f"The version of {earlier.created_at:%Y-%m-%d %H:%M} votes again.")
            return
        if options["minutes"] <= 0:
            raise CommandError("--minutes must be more than 0.")
        try:
            recorded = list(answers_of_file(options["answers"])) if options["answers"] else []
            trained = train_judge(
                minutes=options["minutes"],
                seed=options["seed"],
                recorded=recorded,
                tell=self.stdout.write,
            )
        except (
            Refused, TrainerDied, TrainerPostponed, CannotJudge, OSError, ValueError,
        ) as error:  # fmt: skip
            raise CommandError(str(error)) from None
        for judge, row in trained.table.items():
            self.stdout.write(f"{judge}:")
            for name, accuracy in row.items():
                self.stdout.write(f"  {name}: {accuracy}")
        self.stdout.write("Adopted." if trained.decision.is_adopted else "Refused.")
        self.stdout.write(trained.decision.reason)
        kinds = ", ".join(trained.certified) or "no kind of task: it abstains everywhere"
        self.stdout.write(f"Certified for {kinds}.")
        self.stdout.write(f"{trained.seconds / 60:.1f} minutes in all.")
        if options["json"]:
            write_atomically(options["json"], json.dumps(trained.as_json(), indent=2) + "\n")
