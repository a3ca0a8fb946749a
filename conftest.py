"""In tests, pages use plain static file names, since nothing is collected; no test is timed."""

import fcntl
import os
from datetime import timedelta
from pathlib import Path
from time import sleep

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test import TransactionTestCase
from django.utils import timezone
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from pytest_django import DjangoDbBlocker, Settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from arena import nudges
from arena.config.testing import HOME_VARIABLE
from arena.credits import brakes
from frontend import drawings
from frontend.pages import tournaments

hypothesis_settings.register_profile(
    "exploring", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
# The same code has the same outcome. To look for what nobody thought of: --hypothesis-profile=exploring
hypothesis_settings.register_profile(
    "repeatable", hypothesis_settings.get_profile("exploring"), derandomize=True
)
hypothesis_settings.load_profile("repeatable")

QUIET_BEFORE_MIDNIGHT = timedelta(seconds=30)

# What these tests start serves their neighbours, too, so each group goes to one worker. The marks
# of `--dist loadgroup` would say so, but xdist 3.8 sets them on what pytest 9.2 no longer reads.
GROUPS = {
    "training/trainers/": "trainers",
    "training/data/tests/test_export_to_trl.py": "trainers",
    "agents/inference/tests/test_serve.py": "mended server",
    "judges/tests/test_scorers.py": "scorer",
    **dict.fromkeys(
        (
            "agents/tests/test_migrations.py",
            "arena/matches/tests/test_committed_tasks.py",
            "arena/matches/tests/test_terms.py",
            "arena/spaces/tests/test_beliefs.py",
            "judges/tests/test_versions.py",
            "training/tests/test_coded_share.py",
            "training/tests/test_episode_settings.py",
            "training/tests/test_migrations.py",
        ),
        "migrations",
    ),
}


class GroupScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """The groups first, then test by test to whichever worker is free."""

    def _split_scope(self, nodeid: str) -> str:
        return next((group for path, group in GROUPS.items() if nodeid.startswith(path)), nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> GroupScheduling:
    return GroupScheduling(config, log)


@pytest.fixture(autouse=True)
def _plain_static_files(settings: Settings) -> None:
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }


@pytest.fixture(autouse=True)
def _a_broker_that_was_away_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test found out about its broker is not true for the next one's."""
    monkeypatch.setattr(nudges, "_away_until", 0.0)


@pytest.fixture(autouse=True)
def _on_one_day() -> None:
    """What counts by the day counts from midnight, UTC: no test of seconds begins just before it."""
    now = timezone.now()
    left = brakes.day_of(now)[1] - now
    if left < QUIET_BEFORE_MIDNIGHT:
        sleep(left.total_seconds())


@pytest.fixture(autouse=True)
def _drawings_of_no_other_test() -> None:
    """A test may change rows of a match without an event, and keep its id from another test."""
    drawings.fragments.clear()
    tournaments.live_fragments.clear()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, django_db_blocker: DjangoDbBlocker
) -> None:
    """One of several workers migrates; each copies its test database from that one's result."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    shared_home = Path(os.environ[HOME_VARIABLE])
    with (shared_home / "migrated").open("a+") as done, django_db_blocker.unblock():
        fcntl.flock(done, fcntl.LOCK_EX)
        if done.tell() == 0:
            call_command("migrate", verbosity=0)
            connection.close()
            # A database with open connections, even pooled ones, cannot be copied.
            connection.close_pool()  # type: ignore[attr-defined]
            done.write("yes")
    connection.settings_dict["TEST"]["TEMPLATE"] = connection.settings_dict["NAME"]


# Tables that Django fills after the migrations and would fill again after each flush.
REFERENCE_TABLES = {"auth_permission", "django_content_type"}


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> None:
    """The test database, which transactional tests empty in milliseconds.

    Django's flush truncates all tables, used or not, and refills the reference tables; for tables
    with few rows, a DELETE takes a thirtieth of that time.
    """
    names = connection.introspection.django_table_names(include_views=False)
    deletions = [
        f"DELETE FROM {connection.ops.quote_name(name)}"  # noqa: S608  our own tables' names
        for name in sorted({*names} - REFERENCE_TABLES)
    ]
    # No trigger fires: neither those that refuse to delete nor those that check foreign keys.
    statements = ["SET LOCAL session_replication_role = replica", *deletions]

    def delete_all_rows(_: TransactionTestCase) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("; ".join(statements))

    TransactionTestCase._fixture_teardown = delete_all_rows  # type: ignore[attr-defined]
