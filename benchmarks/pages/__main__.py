"""Server time and queries of pages, polls and sweeps, on a long history and on 1% of it.

    python -m benchmarks.pages [--matches 5000] [--requests 40] [--json FILE]

The whole measurement, with a million completions and a million pairs: --matches 100000.
Pages are asked of the real URL configuration in this process, by the person who has played most.
"""

import argparse
import json
import os
import statistics
import time
import uuid
from collections.abc import Callable
from pathlib import Path

os.environ["TAKEOVER_SECONDS"] = "3600"  # the leases of the history last for the measurement

import arena.config.testing  # noqa: F401  starts PostgreSQL and Valkey
import django

django.setup()

from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

import training.tasks
from agents.models import User
from arena import sweeping, tasks
from arena.config.supervisor.machine import this_machine
from arena.matches import claiming, play
from arena.models import Completion, Entry, EntryStatus, Match, MatchStatus
from benchmarks.pages.history import BUSIEST, SPACE, write_history
from training.data.harvest import harvest_matches
from training.models import Pair, TrainingRun
from training.runs.claiming import waiting_runs
from training.runs.nudges import nudge_waiting_runs
from training.runs.starting import start_due_runs
from training.runs.steering import cancel_runs_of_retired

WARM_UPS = 5
GOAL_SECONDS, GOAL_RATIO, GOAL_QUERIES = 0.050, 1.3, 15
SMALL_SHARE = 0.01

Measured = dict[str, dict[str, float]]


def pages(client: Client, matches: int) -> dict[str, Callable[[], None]]:
    """What people ask for, by name."""
    waiting = Entry.objects.filter(user_id=BUSIEST, status=EntryStatus.QUEUED).latest("created_at")
    running = Match.objects.filter(status=MatchStatus.RUNNING).latest("id")
    settled = Match.objects.filter(status=MatchStatus.SETTLED, id__lte=matches).latest("id")
    run = TrainingRun.objects.filter(agent_id=BUSIEST).latest("id")
    house = User.objects.get(is_house=True).agents.latest("id")
    stranger = Client(SERVER_NAME="localhost")

    def get(path: str, *, by: Client = client, polls: bool = False) -> Callable[[], None]:
        headers = {"HX-Request": "true"} if polls else {}

        def ask() -> None:
            response = by.get(path, headers=headers)
            assert response.status_code == 200, f"{path}: {response.status_code}"

        return ask

    return {
        "home": get("/", by=stranger),
        "own agents": get("/agents/"),
        "Spaces": get("/spaces/"),
        "Space and leaderboard": get(f"/spaces/{SPACE}/"),
        "owner's results": get(f"/spaces/{SPACE}/people/person0/"),
        "matches": get("/matches/"),
        "matches of a Space": get(f"/matches/?space={SPACE}"),
        "matches, poll": get(f"/matches/live/?space={SPACE}", polls=True),
        "match, running": get(f"/matches/{running.pk}/"),
        "match, settled": get(f"/matches/{settled.pk}/"),
        "match, summary": get(f"/matches/{running.pk}/summary/", polls=True),
        "match, round": get(f"/matches/{running.pk}/rounds/1/", polls=True),
        "agent, its owner": get(f"/agents/{BUSIEST}/"),
        "agent, poll": get(f"/agents/{BUSIEST}/state/", polls=True),
        "agent of the house": get(f"/agents/{house.pk}/", by=stranger),
        "run": get(f"/runs/{run.pk}/"),
        "run, poll": get(f"/runs/{run.pk}/state/", polls=True),
        "wallet": get("/wallet/"),
        "wallet, later page": get(
            f"/wallet/?before={settled.created_at.isoformat().replace('+', '%2B')}"
        ),
        "waiting room": get(f"/entries/{waiting.pk}/"),
        "waiting room, poll": get(f"/entries/{waiting.pk}/", polls=True),
    }


def sweeps() -> dict[str, Callable[[], object]]:
    """What runs every few seconds, whole and in its parts."""

    return {
        "sweep of the arena": tasks.sweep,
        "- seat queues": sweeping.seat_queues,
        "- matches to play": sweeping.matches_to_play,
        "- rounds to judge": sweeping.rounds_to_judge,
        "- settle finished": sweeping.settle_finished,
        "claim a match": _claim_and_release,
        "sweep of training": training.tasks.sweep,
        "- make pairs": harvest_matches,
        "- end runs of the retired": cancel_runs_of_retired,
        "- start due runs": start_due_runs,
        "- nudge waiting runs": nudge_waiting_runs,
        "choose a run": lambda: waiting_runs().first(),
    }


def _claim_and_release() -> None:
    owner = uuid.uuid4()
    match_id = claiming.claim_next(owner=owner)
    if match_id is not None:
        play.release_lease(match_id, owner=owner)


def measure(call: Callable[[], object], requests: int) -> dict[str, float]:
    """p50 and p95 in seconds, warm, and the number of queries of one call."""
    for _ in range(WARM_UPS):
        call()
    with CaptureQueriesContext(connection) as captured:
        call()
    queries = len(captured)  # later requests clear the log
    times = []
    for _ in range(requests):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    cuts = statistics.quantiles(times, n=20)
    return {"p50": cuts[9], "p95": cuts[18], "queries": queries}


def measured(matches: int, requests: int) -> Measured:
    """Every page and sweep on a new history of so many matches."""
    call_command("flush", interactive=False, verbosity=0)
    started = time.perf_counter()
    write_history(matches)
    seconds = time.perf_counter() - started
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        size_bytes = cursor.fetchone()[0]
    print(
        f"{matches:,} matches, {Completion.objects.count():,} completions, "
        f"{Pair.objects.count():,} pairs: {size_bytes / 2**30:.2f} GiB, made in {seconds:.0f} s",
        flush=True,
    )
    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.get(id=BUSIEST))
    calls: dict[str, Callable[[], object]] = {**sweeps(), **pages(client, matches)}
    return {name: measure(call, requests) for name, call in calls.items()}


def show(large: Measured, small: Measured) -> None:
    print(f"{'':28}{'p50 ms':>9}{'p95 ms':>9}{'queries':>9}{'1%: p50':>9}{'p95':>9}{'ratio':>8}")
    for name, one in large.items():
        few = small[name]
        # Of the medians: a p95 of few milliseconds is mostly the machine's own noise.
        ratio = one["p50"] / few["p50"]
        missed = (
            ("slow " if one["p95"] > GOAL_SECONDS else "")
            + ("grows " if ratio > GOAL_RATIO else "")
            + ("queries" if one["queries"] > GOAL_QUERIES else "")
        )
        print(
            f"{name:28}{one['p50'] * 1e3:>9.1f}{one['p95'] * 1e3:>9.1f}{one['queries']:>9.0f}"
            f"{few['p50'] * 1e3:>9.1f}{few['p95'] * 1e3:>9.1f}{ratio:>8.2f}  {missed}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--matches", type=int, default=5000)
    parser.add_argument("--requests", type=int, default=40)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    print(this_machine())
    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    small = measured(max(int(options.matches * SMALL_SHARE), 1000), options.requests)
    large = measured(options.matches, options.requests)
    show(large, small)
    if options.json:
        options.json.write_text(
            json.dumps({"matches": options.matches, "large": large, "small": small}, indent=1)
            + "\n"
        )


if __name__ == "__main__":
    main()
