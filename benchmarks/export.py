"""Rows a second of exports beside PostgreSQL's own COPY of the same rows, memory, and from click to file.

    python -m benchmarks.export [--matches 100000] [--json FILE]

100,000 matches have about a million pairs. The exports are written by a process of their own, as by
an export worker; its peak memory is told. COPY reads the same columns of the same pairs.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any
from unittest import mock

os.environ.setdefault("LOG_LEVEL", "WARNING")
os.environ["QUOTA_EXPORTS_MB"] = "1000000"

if os.environ.get("PROCESS_ROLE") != "export":
    import arena.config.testing  # noqa: F401  starts PostgreSQL and Valkey
import django

django.setup()

from django.core.management import call_command
from django.db import connection

from arena.config.supervisor.machine import this_machine
from benchmarks.pages.history import BUSIEST, write_history
from training.exports import writing
from training.exports.building import build_export
from training.exports.containers import Container
from training.exports.formats.pairs import PairFormat
from training.exports.selection import Selection
from training.models import Export, Pair
from training.states import ExportState

GOAL_RATIO, GOAL_MEGABYTES, GOAL_SECONDS = 0.4, 300, 10.0
CLICKED_ROWS = 50_000
_WORKER = ("-m", "benchmarks.export", "--work")

# What an export of preference pairs tells, as one query.
_SAME = """
COPY (
    SELECT pair.id, space.slug, round.match_id, round.number, round.task_key, round.task_kind,
        pair.source, pair.margin, pair.agreement, pair.length_bias, pair.length_bias_pairs,
        chosen.text, rejected.text, chosen.messages, chosen.prompt_token_ids,
        chosen.token_ids, rejected.token_ids, chosen.allowed_token_ids, rejected.allowed_token_ids,
        chosen.finish_reason, rejected.finish_reason, chosen.adapter_digest, rejected.adapter_digest,
        chosen.version_id, rejected.version_id,
        (SELECT json_agg(json_build_array(judge.slug, vote.weight, vote.scores))
         FROM arena_vote AS vote JOIN judges_judge AS judge ON judge.id = vote.judge_id
         WHERE vote.round_id = round.id)
    FROM training_pair AS pair
        JOIN agents_agent AS agent ON agent.id = pair.agent_id AND agent.owner_id = {owner}
        JOIN arena_completion AS chosen ON chosen.id = pair.chosen_id
        JOIN arena_completion AS rejected ON rejected.id = pair.rejected_id
        JOIN arena_round AS round ON round.id = pair.round_id
        JOIN arena_space AS space ON space.id = pair.space_id
    ORDER BY pair.id
) TO STDOUT
"""


def work() -> None:
    """What the export worker does with all that waits; then its peak memory, in bytes."""
    while writing.write_due():
        pass
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def order(container: Container) -> Export:
    export_id = build_export(
        BUSIEST,
        selection=Selection(),
        format="preference",
        container=container.value,
        request_id=uuid.uuid4(),
    )
    return Export.objects.get(id=export_id)


def written(export: Export) -> tuple[float, float]:
    """Seconds, with the start of a process of its own, and its peak in megabytes."""
    environment = {**os.environ, "PROCESS_ROLE": "export", "DATABASE_URL": _url()}
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *_WORKER], env=environment, check=True, capture_output=True, text=True
    )
    seconds = time.perf_counter() - started
    export.refresh_from_db()
    assert export.state == ExportState.WHOLE, export.reason
    return seconds, int(done.stdout.split()[-1]) / 1e6


def copied() -> tuple[int, float]:
    """Rows and seconds of COPY, read to its end and thrown away."""
    connection.ensure_connection()
    raw = connection.connection
    started = time.perf_counter()
    rows = 0
    with raw.cursor() as cursor, cursor.copy(_SAME.format(owner=BUSIEST)) as copy:
        for block in copy:
            rows += bytes(block).count(b"\n")
    return rows, time.perf_counter() - started


def clicked() -> tuple[int, float]:
    """Rows, CLICKED_ROWS if there are so many, and seconds from their order to whole files, by a worker
    that Celery runs.
    """
    command = (sys.executable, "-m", "celery", "-A", "arena.config.celery", "--skip-checks")
    flags = ("-P", "threads", "-c", "1", "-Q", "export", "--without-gossip", "--without-mingle")
    worker = subprocess.Popen(
        (*command, "worker", *flags, "-n", "export@benchmark"),
        env={**os.environ, "PROCESS_ROLE": "export", "DATABASE_URL": _url()},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        from arena.config.celery import celery_app  # noqa: PLC0415 it reads the settings

        while not celery_app.control.ping(timeout=1.0):
            assert worker.poll() is None, "the worker ended"
        ids = Pair.objects.filter(agent__owner=BUSIEST).order_by("id").values_list("id", flat=True)
        last = ids[min(CLICKED_ROWS, ids.count()) - 1]
        started = time.perf_counter()
        with mock.patch.object(PairFormat, "newest_id", return_value=last):
            export = order(Container.PARQUET)
        while Export.objects.get(id=export.pk).state not in {ExportState.WHOLE, ExportState.FAILED}:
            time.sleep(0.05)
        seconds = time.perf_counter() - started
        export.refresh_from_db()
        assert export.manifest["rows"] <= CLICKED_ROWS, export.reason
        return export.manifest["rows"], seconds
    finally:
        worker.terminate()
        worker.wait()


def _url() -> str:
    """Of the benchmark's own database, for other processes."""
    name = connection.settings_dict["NAME"]
    return os.environ["DATABASE_URL"].replace("/rlfc?", f"/{name}?")


def seed(matches: int) -> None:
    """A history whose agents all belong to one person, so that all pairs are in one export."""
    call_command("migrate", verbosity=0)
    started = time.perf_counter()
    write_history(matches)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE agents_agent SET owner_id = %s", [BUSIEST])
        cursor.execute("ANALYZE")
    print(
        f"{Pair.objects.count():,} pairs, made in {time.perf_counter() - started:.0f} s", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--matches", type=int, default=100_000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work()
        return
    print(this_machine())
    seed(options.matches)
    rows, seconds = copied()
    found: dict[str, Any] = {"copy": {"rows": rows, "rows_a_second": rows / seconds}}
    print(f"COPY: {rows:,} rows, {rows / seconds:,.0f} a second", flush=True)
    for container in Container:
        export = order(container)
        seconds, megabytes = written(export)
        speed = export.manifest["rows"] / seconds
        ratio = speed / found["copy"]["rows_a_second"]
        found[container.value] = {
            "rows": export.manifest["rows"],
            "rows_a_second": speed,
            "ratio": ratio,
            "peak_megabytes": megabytes,
            "size_bytes": export.size_bytes,
        }
        missed = ("slow " if ratio < GOAL_RATIO else "") + (
            "large" if megabytes > GOAL_MEGABYTES else ""
        )
        print(
            f"{container.value}: {export.manifest['rows']:,} rows, {speed:,.0f} a second, {ratio:.2f} of "
            f"COPY, peak {megabytes:.0f} MB, {export.size_bytes / 1e6:,.0f} MB on the disk {missed}",
            flush=True,
        )
    rows, found["clicked_seconds"] = clicked()
    missed = "slow" if found["clicked_seconds"] > GOAL_SECONDS else ""
    print(f"{rows:,} rows from click to file: {found['clicked_seconds']:.1f} s {missed}")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
