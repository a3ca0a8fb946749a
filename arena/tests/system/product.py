"""The whole product, for the tests that run the real thing: a pytest plugin with one fixture.

It is started once a session by the same supervisor as `manage.py up`, on free ports and in a
folder of its own, and stopped at the end. Set VLLM_URL to use a vLLM that already runs: that saves
its start, and leaves out the tests that kill it.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest

from arena.config.env import REPOSITORY, Variables
from arena.config.supervisor import leftovers, machine
from arena.config.supervisor.child import State
from arena.config.supervisor.local import Local
from arena.config.supervisor.parts import INFERENCE, Options

POLL_SECONDS = 0.2
COMMAND_SECONDS = 120.0
LOG_LINE_CHARS = 1_000  # a traceback is one line of JSON
# Few pairs and few tasks: the loop is the product's, only its numbers are small.
SHORT_LOOP = {"TRAINING_PAIRS": "8", "GATE_TASKS": "8", "DAILY_TOURNAMENT": "no", "GOLD_A_DAY": "0"}
# What an administrator may set: matches of about half a minute.
SHORT_MATCHES = "UPDATE arena_space SET round_count = 3, max_tokens = 64"

T = TypeVar("T")


def wait_for(what: str, look: Callable[[], T | None], *, seconds: float) -> T:
    """The first answer of `look` that is true; fails with `what` when the time is over."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not (found := look()):
        if time.monotonic() > deadline:
            pytest.fail(f"Waited {seconds:.0f} seconds in vain for {what}.")
        pause.wait(POLL_SECONDS)
    return found


class Product:
    """The running product, as its administrator controls it."""

    def __init__(self, local: Local) -> None:
        self._local = local
        self.home = local.home
        self.url = local.endpoints.web_url
        self.owns_inference = not local.environment.vllm_url

    @property
    def environ_of_another(self) -> dict[str, str]:
        """For a second product beside this one, which shares only its vLLM."""
        own = {"DATABASE_URL", "VALKEY_URL", "RLFC_HOME", "WEB_PORT"}
        return {name: value for name, value in self._local.environ.items() if name not in own}

    def pid(self, part: str) -> int | None:
        """Of the process that the supervisor started last for this part."""
        recorded = leftovers.load(self.home / "run" / "processes.json")
        return next((child.pid for child in recorded if child.name == part), None)

    def kill(self, *parts: str) -> None:
        """SIGKILL the parts' processes, all at once; returns when their successors have begun."""
        killed = {part: self.pid(part) for part in parts}
        for pid in killed.values():
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
        for part, pid in killed.items():
            wait_for(f"another {part}", lambda p=part, old=pid: self.pid(p) != old, seconds=30)  # type: ignore[misc]

    def wait_ready(self) -> None:
        """Every part is ready; each has its own bound, which the supervisor watches."""
        self._local.wait_ready()

    def is_ready(self, part: str) -> bool:
        return any(
            status.name == part and status.state is State.READY for status in self._local.statuses()
        )

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A `manage.py` command beside it, as if typed in a terminal."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=REPOSITORY,
            env=self._local.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """What the database holds."""
        with psycopg.connect(self._local.endpoints.database_url) as connection:
            return connection.execute(query.encode(), values).fetchall()

    def value(self, query: str, *values: object) -> Any:
        """The first column of the first row, None without one."""
        rows = self.rows(query, *values)
        return rows[0][0] if rows else None

    def execute(self, command: str) -> None:
        """Change what an administrator would change on the admin pages."""
        with psycopg.connect(self._local.endpoints.database_url) as connection:
            connection.execute(command.encode())

    def assert_ledger_adds_up(self) -> None:
        audit = self.manage("ledger_audit")
        assert audit.returncode == 0, audit.stdout + audit.stderr


class _ShortLoop(Local):
    """Children get the short loop's variables; this process's environment stays as it is."""

    @property
    def environ(self) -> dict[str, str]:
        environment = self.environment
        model = environment.base_model_path or self.home / "models" / environment.base_model
        return {**super().environ, "BASE_MODEL_PATH": str(model), **SHORT_LOOP}


@pytest.fixture(scope="session")
def product(pytestconfig: pytest.Config) -> Iterator[Product]:
    """Everything that `manage.py up` starts, ready."""
    home = Path(tempfile.mkdtemp(prefix="rlfc-product-"))
    home.chmod(0o755)  # as root, PostgreSQL runs as another user and must reach its folder
    pytestconfig.stash[_HOME] = home
    # Not the database and Valkey of the other tests, which the environment names by now.
    environment = Variables(
        _env_file=None,
        rlfc_home=home,
        database_url=None,
        valkey_url=None,
        base_model_path=base_model(),
    )
    try:
        with _ShortLoop(environment, Options(free_ports=True)) as local:
            local.wait_ready()
            running = Product(local)
            running.execute(SHORT_MATCHES)
            yield running
    finally:
        shutil.rmtree(home, ignore_errors=True)


def base_model() -> Path | None:
    """The folder that `make install` has prepared; None: the supervisor converts it again."""
    chosen = Variables(_env_file=None)
    prepared = REPOSITORY / "var" / "models" / chosen.base_model
    if chosen.base_model_path is None and (prepared / "config.json").is_file():
        return prepared
    return chosen.base_model_path


@pytest.fixture
def own_inference(product: Product) -> Product:
    """The product, where its vLLM may be killed."""
    if not product.owns_inference:
        pytest.skip(f"VLLM_URL is set: that {INFERENCE} server is not ours to kill")
    return product


_HOME = pytest.StashKey[Path]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the ends of the product's logs with a test that failed on it."""
    report = yield
    home = item.config.stash.get(_HOME, None)
    if report.failed and home and "product" in getattr(item, "fixturenames", ()):
        for path in sorted((home / "logs").glob("*.log")):
            if tail := machine.tail(path):
                lines = [line[:LOG_LINE_CHARS] for line in tail.splitlines()]
                report.sections.append((f"end of {path.name}", "\n".join(lines)))
    return report
