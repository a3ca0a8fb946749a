"""Migrating while the site runs: others wait only briefly, and one learns who is in the way."""

import threading
import time
from collections.abc import Iterator
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from arena.management.commands import migrate

LOCK_SECONDS = 0.4

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "PAUSES_SECONDS", (0.3, 0.3))


def connect(**changes: Any) -> psycopg.Connection:
    name = connection.settings_dict["NAME"]  # of the tests
    return psycopg.connect(settings.DATABASE_URL, dbname=name, **changes)


@pytest.fixture
def somebody() -> Iterator[psycopg.Connection]:
    """An open transaction that has read the table of sessions, as a slow page or a psql may have."""
    with connect(application_name="rlfc-web") as holder:
        holder.execute("SELECT FROM django_session")
        yield holder
        holder.rollback()
    call_command("migrate", "sessions", verbosity=0)


def drop_sessions(*, lock_seconds: float = LOCK_SECONDS) -> str:
    """What the command says on its way to a table that only it may use."""
    said = StringIO()
    call_command("migrate", "sessions", "zero", verbosity=0, lock_seconds=lock_seconds, stderr=said)
    return said.getvalue()


def test_a_migration_gives_up_on_a_lock_and_says_who_holds_it(
    somebody: psycopg.Connection,
) -> None:
    began = time.monotonic()
    with pytest.raises(CommandError) as refused:
        drop_sessions()
    assert time.monotonic() - began < 10
    pid = somebody.info.backend_pid
    assert "Not migrated: in 3 tries, a lock was not free within 0.4 seconds." in str(refused.value)
    assert f"Process {pid} of PostgreSQL (rlfc-web, idle in transaction)" in str(refused.value)
    assert "with locks on django_session." in str(refused.value)
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("0",), "only the migration is limited"


def test_others_use_a_table_that_a_migration_waits_for(somebody: psycopg.Connection) -> None:
    ready, over = threading.Event(), threading.Event()
    lock_seconds, waits = 2.0, list[float]()  # far longer than this process itself may be held up

    def read() -> None:
        with connect(autocommit=True) as reader:
            reader.execute("SELECT FROM django_session")  # a new session's first one is slow
            ready.set()
            while not over.wait(0.01):
                began = time.monotonic()
                reader.execute("SELECT FROM django_session")
                waits.append(time.monotonic() - began)

    reading = threading.Thread(target=read)
    reading.start()
    assert ready.wait(timeout=30)
    try:
        with pytest.raises(CommandError):
            drop_sessions(lock_seconds=lock_seconds)
    finally:
        over.set()
        reading.join()
    held_up = [seconds for seconds in waits if seconds > 0.8 * lock_seconds]
    assert len(held_up) <= 3, "once for each try"
    assert max(waits) < 10 * lock_seconds
    assert len(waits) > len(held_up)


def test_a_migration_succeeds_once_the_lock_is_free(
    somebody: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: somebody.rollback())
    said = drop_sessions()
    assert said.count("Trying again in 0.3 seconds.") == 1
    assert "django_session" not in connection.introspection.table_names()


def test_a_statement_that_takes_too_long_is_undone_with_a_sentence(
    somebody: psycopg.Connection,
) -> None:
    with pytest.raises(CommandError, match=r"longer than 0\.2 seconds and was undone"):
        call_command("migrate", "sessions", "zero", verbosity=0, statement_seconds=0.2)
    assert "django_session" in connection.introspection.table_names()


@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan"])
def test_a_limit_is_a_number_of_seconds(text: str) -> None:
    with pytest.raises(CommandError, match="is not a number of seconds"):
        call_command("migrate", "--lock-seconds", text)
