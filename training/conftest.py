"""Fixtures that the rooms of training share: base models, fake and real."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from arena.config.env import REPOSITORY
from training.tests.builders import END_ID


@pytest.fixture
def fake_base(tmp_path: Path) -> Path:
    """A folder that looks like a base model of one layer, for training.tests.fake_trainer."""
    folder = tmp_path / "base"
    folder.mkdir()
    weights = {"model.layers.0.self_attn.q_proj.weight": np.zeros((6, 8), np.float32)}
    save_file(weights, folder / "model.safetensors")
    (folder / "behaviour").write_text("learn")
    special = {"<|endoftext|>": 0, "<|im_start|>": 1, "<|im_end|>": END_ID}
    added = [{"id": id, "content": name, "special": True} for name, id in special.items()]
    (folder / "tokenizer.json").write_text(json.dumps({"added_tokens": added}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|im_end|>"}))
    return folder


@pytest.fixture(scope="session")
def base_model() -> Path:
    """The real base model: BASE_MODEL_PATH, or where `manage.py up` keeps it; made once."""
    if given := os.environ.get("BASE_MODEL_PATH"):
        return Path(given)
    folder = REPOSITORY / "var" / "models" / "smollm2-135m-instruct"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / ".converting").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(
            [sys.executable, "-m", "agents.convert", "--to", str(folder)],
            cwd=REPOSITORY,
            check=True,
        )
    return folder


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random base of two layers, for the real trainer."""
    from training.trainers.tests.builders import save_tiny_base  # noqa: PLC0415 it imports torch

    return save_tiny_base(tmp_path_factory.mktemp("tiny") / "base")
