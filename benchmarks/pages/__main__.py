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
from collections.abc import Callable
from pathlib import Path

os.environ["TAKEOVER_SECONDS"] = "3600"  # the leases of the history last for the measurement
os.environ.setdefault("LOG_LEVEL", "WARNING")  # a line for each request would bury the table

import arena.config.testing  # noqa: F401  starts PostgreSQL and Valkey
import django

django.setup()

from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from agents.models import User
from arena.config.supervisor.machine import this_machine
from arena.models import Completion
from benchmarks.pages.calls import pages, sweeps
from benchmarks.pages.history import BUSIEST, write_history
from training.models import Pair

WARM_UPS = 5
GOAL_SECONDS, GOAL_RATIO, GOAL_QUERIES = 0.050, 1.3, 15
SMALL_SHARE = 0.01

Measured = dict[str, dict[str, float]]


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
