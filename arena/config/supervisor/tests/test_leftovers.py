"""Children that outlived a killed supervisor."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from arena.config.supervisor import leftovers
from arena.config.supervisor.leftovers import Recorded

# Starts a child of its own that would outlive it, says so, and sleeps.
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def orphan() -> Iterator[tuple[Recorded, subprocess.Popen[str], int]]:
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT], start_new_session=True, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    grandchild = int(process.stdout.readline())
    ticks = leftovers.started_ticks(process.pid)
    assert ticks is not None
    program = os.path.realpath(sys.executable)
    yield Recorded("web", process.pid, ticks, program, signal.SIGTERM), process, grandchild
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()


def test_a_recorded_child_is_stopped_with_everything_it_started(orphan, tmp_path: Path) -> None:
    recorded, process, grandchild = orphan
    leftovers.save(tmp_path / "processes.json", [recorded])
    found = leftovers.load(tmp_path / "processes.json")
    assert leftovers.stop(found, grace_seconds=5) == [recorded]
    assert process.wait(5) == -signal.SIGTERM
    assert leftovers.started_ticks(grandchild) is None


def test_what_a_dead_child_started_is_still_found(orphan) -> None:
    recorded, process, grandchild = orphan
    process.kill()
    process.wait()
    assert leftovers.session_of(recorded) == [grandchild]
    leftovers.stop([recorded], grace_seconds=5)
    assert leftovers.started_ticks(grandchild) is None


def test_a_process_that_got_a_recorded_pid_later_is_left_alone(orphan) -> None:
    recorded, process, grandchild = orphan
    earlier = replace(recorded, started_ticks=recorded.started_ticks - 1)
    assert leftovers.stop([earlier], grace_seconds=5) == []
    assert process.poll() is None
    assert leftovers.started_ticks(grandchild) is not None


def test_another_program_in_a_recycled_session_is_left_alone(orphan) -> None:
    recorded, process, _ = orphan
    process.kill()
    process.wait()
    assert leftovers.session_of(replace(recorded, program="/usr/bin/other")) == []


def test_a_record_from_before_a_reboot_names_nobody(orphan, tmp_path: Path) -> None:
    path = tmp_path / "processes.json"
    leftovers.save(path, [orphan[0]])
    boot = leftovers.BOOT_ID.read_text().strip()
    path.write_text(path.read_text().replace(boot, "another boot"))
    assert leftovers.load(path) == []


@pytest.mark.parametrize("text", ["", "[]", "{", '{"boot": 1}', '{"boot": "x", "children": 3}'])
def test_a_damaged_record_names_nobody(tmp_path: Path, text: str) -> None:
    path = tmp_path / "processes.json"
    path.write_text(text)
    assert leftovers.load(path) == []
