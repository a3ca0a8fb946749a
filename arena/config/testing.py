"""Real PostgreSQL and Valkey for tests and checks, started before Django loads.

As a pytest plugin, loaded with `-p arena.config.testing`: pytest-django reads the settings before
any conftest.py. Workers of pytest-xdist share the first process's PostgreSQL, in which each has its
own database; Valkey's channels cannot be separated that way, so each worker gets its own server.

As a program, `python -m arena.config.testing COMMAND ...` runs a manage.py command against them.
"""

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

import psycopg

from arena.config.env import Variables
from arena.config.supervisor.local import Local
from arena.config.supervisor.parts import BROKER, DATABASE, Options

HOME_VARIABLE = "RLFC_TEST_HOME"


def _start() -> None:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if HOME_VARIABLE not in os.environ:
        home = Path(tempfile.mkdtemp(prefix="rlfc-test-"))
        os.environ[HOME_VARIABLE] = str(home)
        parts = frozenset({DATABASE, BROKER})
        atexit.register(shutil.rmtree, home, ignore_errors=True)  # runs last
    elif worker:
        home = Path(os.environ[HOME_VARIABLE]) / worker
        parts = frozenset({BROKER})
    else:
        return  # a child process of a test: it uses the running servers
    # A developer's own settings may point at data that tests must not touch.
    environment = Variables(rlfc_home=home, database_url=None, valkey_url=None, vllm_url=[])
    local = Local(environment, Options(parts=parts, free_ports=True))
    atexit.register(local.stop)
    local.start()
    local.wait_ready()
    os.environ["RLFC_HOME"] = str(home)
    os.environ["DJANGO_SETTINGS_MODULE"] = "arena.config.settings"
    os.environ["DATABASE_POOL"] = "32"  # a test may be many processes at once
    os.environ["VALKEY_URL"] = local.endpoints.valkey_url
    if DATABASE in parts:
        os.environ["DATABASE_URL"] = local.endpoints.database_url
        _forgo_durability(local.endpoints.database_url)


def _forgo_durability(database_url: str) -> None:
    """A test database does not outlive its server, so no commit needs to wait for the disk."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off".encode())
        connection.execute("SELECT pg_reload_conf()")


_start()

if __name__ == "__main__":
    from django.core.management import execute_from_command_line

    execute_from_command_line(["manage.py", *sys.argv[1:]])
