"""A short form of `manage.py chaos`: real processes are killed at seeded moments, and all must hold."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from arena.config.env import REPOSITORY
from arena.tests.system.product import base_model

TRIALS, SEED = 4, 7
SECONDS = 600.0


@pytest.mark.vllm  # its model is scripted, but it takes both cores of a small machine as well
def test_a_few_trials_leave_everything_right(tmp_path: Path) -> None:
    report = tmp_path / "chaos.json"
    own = {"DATABASE_URL", "VALKEY_URL", "RLFC_HOME", "WEB_PORT", "VLLM_URL"}
    environment = {name: value for name, value in os.environ.items() if name not in own}
    if prepared := base_model():
        environment["BASE_MODEL_PATH"] = str(prepared)
    done = subprocess.run(
        [
            *(sys.executable, "manage.py", "chaos", "--json", str(report)),
            *("--trials", str(TRIALS), "--seed", str(SEED)),
        ],
        cwd=REPOSITORY,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(report.read_text())
    assert (found["passed"], found["trials"]) == (TRIALS, TRIALS)
    assert sum(found["killed"].values()) >= TRIALS
    assert found["matches"]["settled"] > 0
