"""`manage.py migrate`: Django's own, but it waits only briefly for a lock, so that the site goes on.

A statement that waits for a table's lock holds up everybody who comes after it. So it gives up
early, lets the others pass, and tries again; in the end it says who holds the lock.
"""

import argparse
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.core.management.base import CommandError, CommandParser
from django.core.management.commands import migrate
from django.db import OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

# Longer than PostgreSQL's deadlock_timeout of one second, after which autovacuum gives way.
LOCK_SECONDS = 3.0
PAUSES_SECONDS = (1.0, 2.0, 4.0, 8.0, 15.0)  # between tries
STATEMENT_SECONDS = 900.0
NAMED_HOLDERS = 3

# Locks that were held for as long as the migration waited for one.
_HOLDERS = """
SELECT activity.pid, activity.application_name, activity.state,
    extract(epoch FROM clock_timestamp() - activity.xact_start)::float AS seconds,
    string_agg(DISTINCT class.relname, ', ' ORDER BY class.relname) AS tables
FROM pg_stat_activity AS activity
    JOIN pg_locks AS lock ON lock.pid = activity.pid AND lock.granted AND lock.locktype = 'relation'
    JOIN pg_class AS class ON class.oid = lock.relation AND class.relkind IN ('r', 'p')
WHERE activity.datname = current_database() AND lock.database = activity.datid
    AND activity.pid <> pg_backend_pid()
    AND class.relnamespace <> 'pg_catalog'::regnamespace
    AND activity.xact_start <= clock_timestamp() - make_interval(secs => %s)
GROUP BY activity.pid, activity.application_name, activity.state, activity.xact_start
ORDER BY activity.xact_start
LIMIT %s
"""


class Command(migrate.Command):
    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--lock-seconds",
            type=_positive_seconds,
            default=LOCK_SECONDS,
            help="how long a try waits for a lock, and others behind it (default: %(default)s)",
        )
        parser.add_argument(
            "--statement-seconds",
            type=_positive_seconds,
            default=STATEMENT_SECONDS,
            help="how long one statement may take (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        lock_seconds, statement_seconds = options["lock_seconds"], options["statement_seconds"]
        for pause_seconds in (*PAUSES_SECONDS, None):
            try:
                with _limits(connection, lock_seconds, statement_seconds):
                    super().handle(*args, **options)
            except OperationalError as error:
                match error.__cause__:
                    case psycopg.errors.LockNotAvailable() | psycopg.errors.DeadlockDetected():
                        holders = _holders(connection, lock_seconds)
                    case psycopg.errors.QueryCanceled():
                        raise CommandError(
                            f"A statement took longer than {statement_seconds:g} seconds and was "
                            "undone. Stop the site and migrate with a larger --statement-seconds."
                        ) from None
                    case _:
                        raise
            else:
                return
            if pause_seconds is None:
                raise CommandError(
                    f"Not migrated: in {len(PAUSES_SECONDS) + 1} tries, a lock was not free within "
                    f"{lock_seconds:g} seconds. {holders} What was begun is undone, and the site "
                    "goes on as before. Migrate again later; a transaction that stays open can be "
                    "ended with SELECT pg_terminate_backend(PROCESS)."
                )
            self.stderr.write(
                f"A lock was not free within {lock_seconds:g} seconds. {holders} "
                f"Trying again in {pause_seconds:g} seconds."
            )
            time.sleep(pause_seconds)


def _positive_seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0.001 <= seconds <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds of at least 0.001.")
    return seconds


@contextmanager
def _limits(
    connection: BaseDatabaseWrapper, lock_seconds: float, statement_seconds: float
) -> Iterator[None]:
    limits = {"lock_timeout": lock_seconds, "statement_timeout": statement_seconds}
    with connection.cursor() as cursor:
        for name, seconds in limits.items():
            cursor.execute(f"SET {name} = {round(seconds * 1000)}")
    try:
        yield
    finally:
        if connection.connection is not None and not connection.connection.closed:
            with connection.cursor() as cursor:
                for name in limits:
                    cursor.execute(f"RESET {name}")


def _holders(connection: BaseDatabaseWrapper, lock_seconds: float) -> str:
    """Sentences on whose locks may have been in the way; without their queries, which hold texts."""
    with connection.cursor() as cursor:
        cursor.execute(_HOLDERS, [lock_seconds, NAMED_HOLDERS])
        rows = cursor.fetchall()
    if not rows:
        return "Nobody holds it any more."
    return " ".join(
        f"Process {pid} of PostgreSQL ({name or 'unnamed'}, {state}) has had a transaction open "
        f"for {seconds:.0f} seconds, with locks on {tables}."
        for pid, name, state, seconds, tables in rows
    )
