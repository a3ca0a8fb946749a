"""`manage.py learn_bench_play`: the learners, beside a running arena; started by `learn_bench`."""

import subprocess
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from arena.config import learning_bench, learning_table
from arena.config.env import REPOSITORY
from arena.config.machine import described as machine


class Command(BaseCommand):
    help = "Let learners compete in a running arena and examine them."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", type=Path, required=True)
        parser.add_argument("--minutes", type=float, required=True)
        parser.add_argument("--seeds", type=int, required=True)
        parser.add_argument("--arms", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        arms = [name for name in options["arms"].split(",") if name] or list(learning_bench.ARMS)
        for name in arms:
            if name not in learning_bench.ARMS:
                raise CommandError(
                    f"There is no arm {name!r}; choose of {', '.join(learning_bench.ARMS)}."
                )
        minutes, path = options["minutes"], options["json"]
        base: dict[str, Any] = {}
        for seed in range(options["seeds"]):  # a whole table early, its intervals later
            for arm in arms:
                content = learning_table.read(path)
                if learning_table.has(content, arm=arm, seed=seed, minutes=minutes):
                    continue
                self.stdout.write(f"{arm}, seed {seed}: {learning_bench.ARMS[arm].explanation}")
                base = base or learning_bench.base_exam()
                result = learning_bench.learn(
                    arm, seed=seed, minutes=minutes, say=self.stdout.write
                )
                result |= {"base": base, "machine": machine(), "commit": _commit()}
                content["results"].append(result)
                learning_table.write(path, content)
                self.stdout.write(learning_table.table({"results": [result]}))
        self.stdout.write(learning_table.table(learning_table.read(path)))


def _commit() -> str:
    command = ["git", "-C", str(REPOSITORY), "describe", "--always", "--dirty"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found.stdout.strip()
