"""What `demo` and `learn_bench` share: a fresh home, and a child beside the supervisor."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from arena.config.env import REPOSITORY, Variables
from arena.config.supervisor.local import Local, launched, local_environment

CHILD_STOP_SECONDS = 10.0


@contextmanager
def fresh_home(environment: Variables, *, complain: Callable[[str], object]) -> Iterator[Variables]:
    """A temporary RLFC_HOME: removed on success; on failure it stays and its logs are named.

    Uses the usual home's converted base model if there is one.
    """
    home = Path(tempfile.mkdtemp(prefix="rlfc-"))
    home.chmod(0o755)  # as root, PostgreSQL runs as another user, who must reach its folder
    os.environ["RLFC_HOME"] = str(home)
    model = environment.rlfc_home / "models" / environment.base_model
    if environment.base_model_path is None and (model / "config.json").is_file():
        os.environ["BASE_MODEL_PATH"] = str(model)
    try:
        yield local_environment()
    except BaseException:
        complain(f"Logs: {home / 'logs'}")
        raise
    shutil.rmtree(home, ignore_errors=True)


def run_beside(local: Local, arguments: Sequence[str], *, until_it_ends: bool) -> int | None:
    """Run `manage.py` with the arguments in the arena's environment; return its exit status, if any.

    Returns when the arena stops or, with `until_it_ends`, when the child ends.
    """
    command = [sys.executable, str(REPOSITORY / "manage.py"), *arguments]
    child = subprocess.Popen(
        launched(command, death_signal=signal.SIGKILL),
        env=local.environ,
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C at the terminal is ours to handle
    )

    def watch() -> None:
        child.wait()
        local.end_wait()

    if until_it_ends:
        threading.Thread(target=watch, daemon=True).start()
    try:
        local.wait()
        return child.poll()
    finally:
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(CHILD_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
