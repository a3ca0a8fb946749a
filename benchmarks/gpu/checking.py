"""Runs the steps of a check, each within its time, and keeps the report."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.files import write_atomically
from arena.config.env import REPOSITORY
from benchmarks.gpu.steps import LEARNING, Stage, Step, learning_minutes
from benchmarks.gpu.verdict import Figure, figures

POLL_SECONDS = 0.2
STOP_SECONDS = 15.0  # for an arena that stops in order
TAIL_CHARS = 600


@dataclass
class Check:
    """A check under way, and its report so far."""

    path: Path
    seconds: float
    header: dict[str, Any]
    started: float = field(default_factory=time.monotonic)
    outcomes: dict[str, dict[str, Any]] = field(default_factory=dict)
    reports: dict[str, Any] = field(default_factory=dict)
    extra: list[Figure] = field(default_factory=list)

    @property
    def left(self) -> float:
        return self.seconds - (time.monotonic() - self.started)

    @property
    def figures(self) -> list[Figure]:
        return self.extra + figures(self.reports)

    @property
    def holds(self) -> bool:
        done = all(outcome["outcome"] == "done" for outcome in self.outcomes.values())
        return done and all(figure.holds is not False for figure in self.figures)

    def note(self, name: str, outcome: str, *, since: float, why: str = "") -> None:
        """Record how a step ended, and write the report."""
        seconds = round(time.monotonic() - since, 1)
        self.outcomes[name] = {"outcome": outcome, "seconds": seconds, "why": why}
        print(f"[{time.monotonic() - self.started:4.0f} s] {name}: {outcome} {why}", flush=True)
        content = self.header | {
            "seconds": round(time.monotonic() - self.started, 1),
            "holds": self.holds,
            "steps": self.outcomes,
            "figures": [figure.as_json() for figure in self.figures],
            "reports": self.reports,
        }
        write_atomically(self.path, json.dumps(content, indent=1) + "\n")


class Running:
    """A step's process, its log and its report."""

    def __init__(self, step: Step, folder: Path, *, variables: Mapping[str, str], minutes: float):
        self.step = step
        self.report = folder / f"{step.name}.json"
        self.log = folder / f"{step.name}.log"
        self.report.unlink(missing_ok=True)
        self.since = time.monotonic()
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-u",
                    *step.arguments(report=str(self.report), minutes=minutes),
                ],
                cwd=REPOSITORY,
                env={**os.environ, **variables, **step.variables},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def end(self) -> None:
        """Stop it, in order if it can; with it, its process group ends."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def read(self) -> Any:
        try:
            return json.loads(self.report.read_text())
        except (OSError, ValueError):
            return None

    @property
    def last_words(self) -> str:
        text = self.log.read_text(errors="replace").strip()
        return f"{' '.join(text[-TAIL_CHARS:].split())} (all of it: {self.log})"


def run_stage(
    check: Check, stage: Stage, folder: Path, *, seconds: float, variables: Mapping[str, str]
) -> None:
    """Run the stage's steps at once, for at most `seconds`."""
    until = time.monotonic() + seconds
    minutes = learning_minutes(seconds)
    going = []
    for step in stage:
        if step.name == LEARNING and not minutes:
            why = f"only {seconds:.0f} s are left for it"
            check.note(step.name, "left out", since=time.monotonic(), why=why)
            continue
        going.append(Running(step, folder, variables=variables, minutes=minutes))
        print(f"[{time.monotonic() - check.started:4.0f} s] {step.name}: {step.told}", flush=True)
    try:
        while going:
            is_over = time.monotonic() > until
            for one in list(going):
                if one.process.poll() is None and not is_over:
                    continue
                going.remove(one)
                _record(check, one, seconds=seconds)
            time.sleep(POLL_SECONDS)
    finally:
        for one in going:  # Ctrl-C
            one.end()


def _record(check: Check, one: Running, *, seconds: float) -> None:
    overran = one.process.poll() is None
    if overran:
        one.end()
    if (report := one.read()) is not None:
        check.reports[one.step.name] = report
    if overran:
        why = f"it had {seconds:.0f} s"
        if report is not None:
            why += "; what it had measured by then is below"
        check.note(one.step.name, "overran", since=one.since, why=why)
    elif one.process.returncode or report is None:
        check.note(one.step.name, "failed", since=one.since, why=one.last_words)
    else:
        check.note(one.step.name, "done", since=one.since)
