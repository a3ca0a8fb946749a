"""The notebook goes from pairs to an adapter that waits for the gate, cell by cell."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from agents.api_tokens import Scope, create_token
from frontend.tests.client.documents import ROOT
from training.exports.tests.tiny import play, tiny_base
from training.exports.writing import write_due
from training.models import TrainingRun
from training.states import UPLOAD, RunStatus
from training.tests.builders import make_space

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

NOTEBOOK = ROOT / "docs" / "examples" / "pairs-to-adapter.ipynb"
PUBLISHED_BASE = "HuggingFaceTB/SmolLM2-135M-Instruct"  # of which a test has a tiny one instead
POLL_SECONDS = 0.1
TIMEOUT_SECONDS = 240

# The base gets weights, then the cells run one after the other, as in one kernel.
RUN = """
import json, os, sys
told = json.loads(sys.argv[1])
os.environ.update(told["env"])
os.chdir(told["folder"])
sys.path.insert(0, told["client"])
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

LlamaForCausalLM(LlamaConfig(
    vocab_size=len(AutoTokenizer.from_pretrained(told["base"])), hidden_size=16, intermediate_size=16,
    num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2,
)).save_pretrained(told["base"])
kernel = {}
for cell in told["cells"]:
    exec(cell, kernel)
"""


def cells_of(notebook: dict[str, Any]) -> list[str]:
    return ["".join(one["source"]) for one in notebook["cells"] if one["cell_type"] == "code"]


def test_the_notebook_goes_from_pairs_to_an_adapter_at_the_gate(
    port: int, settings: Any, tmp_path: Path
) -> None:
    from training.trainers.tests.builders import trainers  # noqa: PLC0415 torch takes seconds

    for store in ("EXPORT_STORE", "ADAPTER_STORE", "RUN_STORE"):
        setattr(settings, store, tmp_path / store.lower())
    base = tiny_base(tmp_path / "base")
    agent, space = play(base, ["abab", "ab a", "b ab"]), make_space()
    space.base_model = base
    space.save(update_fields=["base_model"])
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    named, *cells = cells_of(notebook)
    for published, here in (
        ("Ada", agent.name),
        ("constraints", space.slug),
        (PUBLISHED_BASE, str(base.folder)),
    ):
        assert published in named
        named = named.replace(published, here)
    token = create_token(agent.owner_id, name="Notebook", scopes=list(Scope))
    told = {
        "cells": [named, *cells],
        "base": str(base.folder),
        "client": str(ROOT / "client"),
        "folder": str(tmp_path),
        "env": {
            "RLFC_URL": f"http://127.0.0.1:{port}",
            "RLFC_TOKEN": token,
            "HF_HOME": str(tmp_path / "hub"),
        },
    }
    kernel = trainers().start(("-c", RUN, json.dumps(told)), log=tmp_path / "log")
    until = time.monotonic() + TIMEOUT_SECONDS
    while kernel.poll() is None and time.monotonic() < until:
        write_due()  # as the arena does, once the notebook has ordered its export
        time.sleep(POLL_SECONDS)
    assert kernel.poll() == 0, kernel.output[-3000:]

    run = TrainingRun.objects.get(agent=agent)
    assert (run.method, run.status) == (UPLOAD, RunStatus.QUEUED)
    assert run.child_version is not None
    assert run.child_version.adapter is not None
    assert run.child_version.adapter.rank == 16


def test_the_notebook_is_short_and_has_no_output() -> None:
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    code = [one for one in notebook["cells"] if one["cell_type"] == "code"]
    assert all(one["outputs"] == [] and one["execution_count"] is None for one in code)
    _, imports, *steps = cells_of(notebook)
    assert "import" in imports
    lines = [line for one in steps for line in one.splitlines()]
    assert len(lines) <= 12, "about ten lines, its imports and names left out"
