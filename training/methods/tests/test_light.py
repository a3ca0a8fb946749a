"""Web processes and workers know the methods without loading any training library."""

import os
import subprocess
import sys

from arena.config.env import REPOSITORY

LOADED = """
import sys
import django
django.setup()
import arena.config.urls, arena.tasks, training.tasks
from training.methods import METHODS
assert METHODS
print(*sorted({"accelerate", "bitsandbytes", "peft", "torch", "transformers", "trl"} & sys.modules.keys()))
"""


def test_web_and_workers_load_no_learning_library() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED],
        cwd=REPOSITORY,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "arena.config.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr[-2000:]
