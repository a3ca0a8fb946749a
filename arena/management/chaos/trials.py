"""One trial after another: people act, processes are killed, then everything must come to rest and be right."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import partial
from statistics import fmean
from types import MappingProxyType
from typing import Any, TypeVar

from django.db import DatabaseError, connections
from django.utils import timezone

from arena.management.chaos import checks
from arena.management.chaos.browser import NeverAnswered
from arena.management.chaos.people import Person, common_pages, own_pages
from arena.management.chaos.processes import TRAINER, VICTIMS, Processes
from training.models import TrainingRun
from training.states import CLAIMABLE_STATUSES

ACTING_SECONDS = 4.0
ACTIONS_OF_EACH = (2, 4)
MOST_KILLS = 3
REST_SECONDS = 150.0
POLL_SECONDS = 0.5
TRAINER_SECONDS, TRAINER_POLL_SECONDS = 15.0, 0.1

Say = Callable[[str], object]
T = TypeVar("T")


@dataclass
class TrialRecord:
    """What happened in one trial; it passed if `problems` is empty."""

    number: int
    killed: list[tuple[float, str]] = field(default_factory=list)  # (seconds, victim)
    seconds: float = 0.0
    waited: dict[str, float] = field(default_factory=dict)  # until this was at rest, in seconds
    problems: list[str] = field(default_factory=list)


class Trials:
    """All trials of one seed against one running product."""

    def __init__(self, people: Sequence[Person], processes: Processes, *, seed: int) -> None:
        self._people = people
        self._processes = processes
        self._seed = seed
        self._pause = threading.Event()

    def run(self, number: int) -> TrialRecord:
        trial = TrialRecord(number)
        started, since = time.monotonic(), timezone.now()
        self._disturb(trial, started)
        trial.problems += self._settle(trial, started, since)
        trial.seconds = round(time.monotonic() - started, 1)
        return trial

    def _disturb(self, trial: TrialRecord, started: float) -> None:
        """People act, each in a thread, and processes die; returns when all have been answered."""
        rng = random.Random(f"{self._seed}:{trial.number}")
        acting = [
            threading.Thread(target=self._acts, args=[trial, person, rng.random()])
            for person in self._people
        ]
        kills = sorted(
            (rng.uniform(0.1, ACTING_SECONDS), drawn_order(rng))
            for _ in range(rng.randint(1, MOST_KILLS))
        )
        for thread in acting:
            thread.start()
        for seconds, order in kills:
            self._pause.wait(max(0.0, started + seconds - time.monotonic()))
            victim = next(filter(self._strike, order), None)  # the first that runs now
            if victim:
                trial.killed.append((round(seconds, 2), victim))
        if not trial.killed:
            trial.problems.append("Nothing that could be killed was running.")
        for thread in acting:
            thread.join()

    def _strike(self, victim: str) -> bool:
        if victim == TRAINER:
            self._await_trainer()
        return self._processes.kill(victim)

    def _await_trainer(self) -> None:
        """It lives for some seconds of a run; drawn at any other moment, it would never be struck."""
        deadline = time.monotonic() + TRAINER_SECONDS
        under_way = TrainingRun.objects.filter(status__in=CLAIMABLE_STATUSES)
        while not self._processes.of(TRAINER) and time.monotonic() < deadline:
            if not patiently(under_way.exists):
                return
            self._pause.wait(TRAINER_POLL_SECONDS)

    def _acts(self, trial: TrialRecord, person: Person, seed: float) -> None:
        rng = random.Random(seed)
        moments = sorted(
            rng.uniform(0, ACTING_SECONDS) for _ in range(rng.randint(*ACTIONS_OF_EACH))
        )
        begun = time.monotonic()
        try:
            for moment in moments:
                self._pause.wait(max(0.0, begun + moment - time.monotonic()))
                patiently(lambda: person.act(rng))
        except NeverAnswered as error:
            trial.problems.append(str(error))
        except DatabaseError as error:
            trial.problems.append(f"The database did not come back: {error}")
        finally:
            connections.close_all()

    def _settle(self, trial: TrialRecord, started: float, since: datetime) -> list[str]:
        """Wait until nothing is under way, then check everything."""
        deadline = time.monotonic() + REST_SECONDS
        while True:
            left = patiently(self._left)
            if not left:
                break
            seconds = round(time.monotonic() - started, 1)
            trial.waited |= {one.partition(":")[0]: seconds for one in left}
            if time.monotonic() > deadline:
                return [f"After {REST_SECONDS:.0f} seconds: {one}." for one in left]
            self._pause.wait(POLL_SECONDS)
        problems = patiently(lambda: checks.broken(since=since))
        paths = [
            (person, page)
            for person in self._people
            for page in patiently(partial(own_pages, person.name))
        ]
        paths += [(self._people[0], page) for page in patiently(common_pages)]
        for person, page in paths:
            status = person.browser.get(page).status_code
            if status != 200:
                problems.append(f"{page} answered {status}.")
        return problems

    def _left(self) -> list[str]:
        for person in self._people:
            person.end_pauses()
            person.land_all()
        return [
            *(f"the {part} is down" for part in self._processes.missing()),
            *checks.unfinished(),
        ]


def drawn_order(rng: random.Random) -> list[str]:
    """All victims, each first as often as its weight says (Efraimidis and Spirakis, 2006)."""
    keys = {victim: rng.random() ** (1 / weight) for victim, weight in VICTIMS.items()}
    return sorted(keys, key=keys.__getitem__, reverse=True)


def patiently(ask: Callable[[], T]) -> T:
    """The answer; asked again while the database is away."""
    deadline = time.monotonic() + REST_SECONDS
    while True:
        try:
            return ask()
        except DatabaseError:
            connections.close_all()
            if time.monotonic() > deadline:
                raise
        threading.Event().wait(POLL_SECONDS)


def earlier_trials(report: Mapping[str, Any]) -> list[TrialRecord]:
    """Those of a report that was written before."""
    return [TrialRecord(**each) for each in report.get("each", [])]


def report(
    trials: Sequence[TrialRecord],
    people: Sequence[Person],
    earlier: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Everything about the trials, for a file. `earlier`: the report that this sitting goes on from."""
    passed = sum(not trial.problems for trial in trials)
    waited: dict[str, list[float]] = {}
    for trial in trials:
        for cause, seconds in trial.waited.items():
            waited.setdefault(cause, []).append(seconds)
    victims = Counter(victim for trial in trials for _, victim in trial.killed)
    return {
        "passed": passed,
        "trials": len(trials),
        "seconds": round(sum(trial.seconds for trial in trials), 1),
        "killed": dict(victims),
        "waited_for": {
            cause: {"trials": len(each), "mean_seconds": round(fmean(each), 1)}
            for cause, each in sorted(waited.items())
        },
        "sittings": earlier.get("sittings", 0) + 1,
        "done_by_people": dict(
            sum((person.done for person in people), Counter(earlier.get("done_by_people", {})))
        ),
        "requests": earlier.get("requests", 0) + sum(person.browser.requests for person in people),
        "not_answered_at_once": earlier.get("not_answered_at_once", 0)
        + sum(person.browser.broken for person in people),
        "error_pages": Counter(earlier.get("error_pages", {}))
        + Counter(fault for person in people for fault in person.browser.faults),
        "each": [asdict(trial) for trial in trials],
    }
