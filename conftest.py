"""Pages in tests name their static files plainly: nothing has been collected. No test is timed."""

import pytest
from django.db import connection, transaction
from django.test import TransactionTestCase
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from pytest_django import Settings

hypothesis_settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def _plain_static_files(settings: Settings) -> None:
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }


# What Django writes after the migrations and would write again after each flush.
REFERENCE_TABLES = {"auth_permission", "django_content_type"}


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> None:
    """The test database, which transactional tests leave empty in milliseconds.

    Django's flush truncates all tables, used or not, and writes the reference tables anew: with
    tables of a few rows a DELETE takes a thirtieth of that.
    """
    names = connection.introspection.django_table_names(include_views=False)
    deletions = [
        f"DELETE FROM {connection.ops.quote_name(name)}"  # noqa: S608  our own tables' names
        for name in sorted({*names} - REFERENCE_TABLES)
    ]
    # No trigger fires: neither what refuses to delete nor what checks a foreign key.
    statements = ["SET LOCAL session_replication_role = replica", *deletions]

    def delete_all_rows(_: TransactionTestCase) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("; ".join(statements))

    TransactionTestCase._fixture_teardown = delete_all_rows  # type: ignore[attr-defined]
