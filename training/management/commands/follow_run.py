"""`manage.py follow_run [RUN]`: follow a training run in the terminal."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from agents.errors import NotAvailable
from training.models import TrainingRun
from training.runs.queries import RunView, run_view

POLL_SECONDS = 1.0


class Command(BaseCommand):
    help = "Show a training run's progress until it ends; the newest run by default."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("run", type=int, nargs="?", help="the run's number")

    def handle(self, *args: Any, **options: Any) -> None:
        newest = TrainingRun.objects.order_by("-id").values_list("id", flat=True)
        number = options["run"] or newest.first()
        if number is None:
            raise CommandError("No training run has been started yet.")
        shown = ""
        while True:
            try:
                run = run_view(number, viewer=None)
            except NotAvailable as error:
                raise CommandError(str(error)) from None
            if (line := in_a_line(run)) != shown:
                self.stdout.write(line)
                shown = line
            if run.is_final:
                return
            time.sleep(POLL_SECONDS)


def in_a_line(run: RunView) -> str:
    """Status, stage or step, and the newest figures."""
    parts = [f"run {run.run_id} of {run.agent_name}: {run.status}"]
    progress = run.progress
    if run.is_final:
        return f"{parts[0]}. {run.reason}"
    if "step" in progress:
        parts.append(f"step {progress['step']} of {progress.get('steps', '?')}")
        newest = run.curve[-1] if run.curve else {}
        names = ("loss", "reward_margin", "accuracy", "reward", "kl", "base_kl", "grad_norm")
        parts += [
            f"{name.replace('_', ' ')} {newest[name]:.3g}" for name in names if name in newest
        ]
        if "tokens_per_second" in progress:
            parts.append(f"{progress['tokens_per_second']:.0f} tokens/s")
        if "memory_bytes" in progress:
            parts.append(f"{progress['memory_bytes'] / 2**30:.1f} GiB")
        if "remaining_seconds" in progress:
            parts.append(f"about {progress['remaining_seconds']:.0f} s left")
    elif "stage" in progress:
        parts.append(str(progress["stage"]))
    return ", ".join(parts)
