"""The child beside the supervisor."""

import os
import subprocess
import sys
from pathlib import Path

from arena.config.env import REPOSITORY
from arena.config.tests.builders import until

SUPERVISOR = """
import os, sys, threading
from pathlib import Path
from types import SimpleNamespace
from arena.config.supervisor import companion
companion.REPOSITORY = Path(sys.argv[1])
local = SimpleNamespace(environ=dict(os.environ), wait=threading.Event().wait)
companion.run_beside(local, [], until_it_ends=False)
"""
CHILD = "import os, threading; print(os.getpid(), flush=True); threading.Event().wait()"


def test_a_child_does_not_outlive_a_killed_supervisor(tmp_path: Path) -> None:
    """Otherwise it would continue in the next arena that is started on the same database."""
    (tmp_path / "manage.py").write_text(CHILD)
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(tmp_path)],
        cwd=REPOSITORY,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "arena.config.settings"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert supervisor.stdout
    child = int(supervisor.stdout.readline())
    supervisor.kill()
    supervisor.wait()
    until(lambda: not is_alive(child))


def is_alive(pid: int) -> bool:
    """A zombie only waits for the process that adopted it."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"
