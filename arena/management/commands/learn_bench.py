"""`manage.py learn_bench`: does competition alone make agents better than controls?

Starts its own arena, lets one learner per arm and seed compete for `--minutes`, and examines it on
tasks that it has never seen. The `--json` file keeps every finished result: the same command
continues where it stopped, and `--merge` shows several files as one table.
"""

import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console

from arena.config.env import Variables
from arena.config.gpu.hardware import installed_for_gpus
from arena.config.supervisor.companion import fresh_home, run_beside
from arena.config.supervisor.errors import LocalError
from arena.config.supervisor.local import Local, local_environment
from arena.config.supervisor.parts import ALL_PARTS, WEB, Options, cores
from arena.config.supervisor.screen import progress_on
from arena.management.commands.up import stop_on_signals
from benchmarks.learning import table
from benchmarks.learning.games import GAMES

MAX_MINUTES, MAX_SEEDS, MAX_TOGETHER = 240.0, 20, 64
# A gate that leaves most of the time to learning, yet adopts a version that is a tenth better.
BENCH_VARIABLES = {
    "DAILY_TOURNAMENT": "no",
    "GOLD_A_DAY": "0",  # judges are no part of what is measured
    "TRAINING_PAIRS": "40",
    "GATE_TASKS": "48",
    "TRAINING_PRICE": "0",
}


class Command(BaseCommand):
    help = "Measure how much agents learn from competition, against controls."
    requires_system_checks = ()  # they need the database that this command starts

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--minutes", type=float, default=20.0, help="time for each arm and seed"
        )
        parser.add_argument("--seeds", type=int, default=3, help="number of seeds: 0, 1, 2, ...")
        parser.add_argument("--arms", default="", help="comma-separated; all arms by default")
        parser.add_argument(
            "--space",
            default="",
            help="slug of a seeded Space of a game for two, instead of the Constraints Space",
        )
        parser.add_argument(
            "--together",
            type=int,
            default=1,
            help="learners that share the machine during this time, each in its own Space",
        )
        parser.add_argument(
            "--json", type=Path, help="file that keeps the results, to continue from"
        )
        parser.add_argument(
            "--merge", type=Path, nargs="+", help="measure nothing; show these files as one table"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["merge"]:
                self._merge(options["merge"], options["json"])
                return
            if options["json"] is None:
                raise CommandError("Use --json to say where to keep the results.")
            table.read(options["json"])  # refused now, not after an hour
        except table.BadFile as error:
            raise CommandError(str(error)) from None
        if not options["json"].resolve().parent.is_dir():
            raise CommandError(f"There is no folder {options['json'].resolve().parent}.")
        if not 1 <= options["minutes"] <= MAX_MINUTES:
            raise CommandError(f"--minutes must be between 1 and {MAX_MINUTES:g}.")
        if not 1 <= options["seeds"] <= MAX_SEEDS:
            raise CommandError(f"--seeds must be between 1 and {MAX_SEEDS}.")
        if not 1 <= options["together"] <= MAX_TOGETHER:
            raise CommandError(f"--together must be between 1 and {MAX_TOGETHER}.")
        if options["space"] and options["space"] not in GAMES:
            raise CommandError(
                f"There is no game for two in a seeded Space {options['space']!r}; choose from "
                f"{', '.join(GAMES)}."
            )
        variables = BENCH_VARIABLES | {
            "MATCH_THREADS": str(max(4, options["together"])),
            # One server takes a whole GPU's batch; on CPUs, each has its own cores.
            "VLLM_SERVERS": "1" if installed_for_gpus() else str(min(2, cores())),
        }
        for name, value in variables.items():
            os.environ.setdefault(name, value)
        with fresh_home(local_environment(), complain=self.stderr.write) as environment:
            self._measure(environment, options)

    def _merge(self, files: list[Path], target: Path | None) -> None:
        content = table.merged([table.read(path) for path in files])
        if target:
            table.write(target, content)
        self.stdout.write(table.table(content))

    def _measure(self, environment: Variables, options: dict[str, Any]) -> None:
        console = Console()
        local = Local(environment, Options(parts=ALL_PARTS - {WEB}, free_ports=True))
        stop_on_signals(local)
        arguments = ["learn_bench_play", "--json", str(options["json"].resolve())]
        for name in ("minutes", "seeds", "arms", "space", "together"):
            arguments.append(f"--{name}={options[name]}")
        code: int | None = None
        try:
            with local:
                with progress_on(console) as progress:
                    local.wait_ready(progress)
                code = run_beside(local, arguments, until_it_ends=True)
        except LocalError as error:
            if not local.asked_to_stop:
                raise CommandError(str(error)) from None
        if code != 0:
            raise CommandError(
                "Not everything was measured; run the same command again to continue."
            )
