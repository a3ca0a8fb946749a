"""`manage.py learn_bench_play`: the learners, beside a running arena; started by `learn_bench`."""

import subprocess
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from arena.config.env import REPOSITORY
from arena.config.supervisor.machine import this_machine
from benchmarks.learning import bench, table
from benchmarks.learning.table import Piece

T = TypeVar("T")


class Command(BaseCommand):
    help = "Let learners compete in a running arena and examine them."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", type=Path, required=True)
        parser.add_argument("--minutes", type=float, required=True)
        parser.add_argument("--seeds", type=int, required=True)
        parser.add_argument("--together", type=int, required=True)
        parser.add_argument("--arms", default="")
        parser.add_argument("--space", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        arms = [name for name in options["arms"].split(",") if name] or list(bench.ARMS)
        for name in arms:
            if name not in bench.ARMS:
                raise CommandError(
                    f"There is no arm {name!r}; choose from {', '.join(bench.ARMS)}."
                )
        minutes, together, path = options["minutes"], options["together"], options["json"]
        game = options["space"]
        known = table.read(path)
        # Seed by seed, so that a whole table comes early and its intervals later.
        wanted = [(arm, seed) for seed in range(options["seeds"]) for arm in arms]
        groups = [
            [Piece(minutes, len(group), arm, seed, game) for arm, seed in group]
            for group in batched(wanted, together)
        ]
        # All of a group begin together, even those already measured: if one were missing, the
        # others would have more of the machine than the table says.
        missing = [group for group in groups if not all(table.has(known, piece) for piece in group)]
        if missing:
            base = table.base_exam(known, commit=_commit(), machine=this_machine())
            if base is None:
                self.stdout.write("the exam of the plain base")
                base = bench.base_exam()
            played: Mapping[str, Any] | None = {}
            if game:
                played = table.base_duels(known, game, commit=_commit(), machine=this_machine())
            if played is None:
                self.stdout.write("the games of the plain base")
                played = bench.base_duels(game)
            before = {"base": base, "base_duels": played}
            writing = threading.Lock()
            for group in missing:
                with ThreadPoolExecutor(together) as pool:
                    measured = [
                        pool.submit(self._measure, piece, before, path, writing) for piece in group
                    ]
                for one in measured:
                    one.result()
        self.stdout.write(table.table(table.read(path)))

    def _measure(
        self, piece: Piece, before: Mapping[str, Any], path: Path, writing: threading.Lock
    ) -> None:
        def say(line: str) -> None:
            self.stdout.write(f"{piece.arm}, seed {piece.seed}: {line}")

        say(bench.ARMS[piece.arm].explanation)
        try:
            result = bench.learn(
                piece.arm, seed=piece.seed, minutes=piece.minutes, say=say, game=piece.space
            )
        finally:
            connections.close_all()  # of this thread
        result |= {"together": piece.together, **before}
        result |= {"machine": this_machine(), "commit": _commit()}
        with writing:
            content = table.merged([table.read(path), {"results": [result]}])
            table.write(path, content)
            self.stdout.write(table.table({"results": [result]}))


def batched(whole: Sequence[T], size: int) -> list[Sequence[T]]:
    """Batches of `size` in order; the last may be shorter."""
    return [whole[start : start + size] for start in range(0, len(whole), size)]


def _commit() -> str:
    command = ["git", "-C", str(REPOSITORY), "describe", "--always", "--dirty"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return table.UNKNOWN_COMMIT
    return found.stdout.strip()
