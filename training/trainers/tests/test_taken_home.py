"""What an owner takes home is loaded by PEFT and read by the hub as it is."""

import re
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import torch
from huggingface_hub import ModelCard
from peft import PeftModel
from transformers import AutoModelForCausalLM

from agents.adapters.archive import write_archive
from agents.models import AgentVersion
from arena.config.env import REPOSITORY
from training.adapters.folder import adapter_of
from training.adapters.tests.builders import ALPHA, RANK, some_tensors, stored_version
from training.tests.builders import make_agent, make_base

SEED = 7


@pytest.fixture
def taken(settings: Any, tmp_path: Path, tiny_base: Path, db: None) -> Path:
    """The folder, out of the zip."""
    settings.ADAPTER_STORE = tmp_path / "store"
    make_base(str(tiny_base))
    version: AgentVersion = stored_version(make_agent(), tiny_base, tmp_path, seed=SEED)
    folder = adapter_of(version.agent_id, version.pk, viewer=version.agent.owner_id)
    with (tmp_path / "taken.zip").open("w+b") as file:
        write_archive(file, folder.name, folder.members)
        with ZipFile(file) as archive:
            archive.extractall(tmp_path / "home")
    return tmp_path / "home" / folder.name


def test_peft_loads_the_folder_as_it_is_and_every_weight_counts(
    taken: Path, tiny_base: Path
) -> None:
    base = AutoModelForCausalLM.from_pretrained(tiny_base, dtype=torch.float32)
    plain = {name: weight.clone() for name, weight in base.named_parameters()}
    merged = PeftModel.from_pretrained(base, str(taken)).merge_and_unload()
    tensors = some_tensors(tiny_base, seed=SEED)
    changed = {name.removesuffix(".lora_A.weight") for name in tensors if "lora_A" in name}
    after = dict(merged.named_parameters())
    assert len(changed) == 14
    for prefixed in changed:
        module = prefixed.removeprefix("base_model.model.")
        down = torch.from_numpy(tensors[f"{prefixed}.lora_A.weight"])
        up = torch.from_numpy(tensors[f"{prefixed}.lora_B.weight"])
        change = after[f"{module}.weight"] - plain[f"{module}.weight"]
        # Stored as the servers play it, in bfloat16.
        torch.testing.assert_close(change, ALPHA / RANK * up @ down, rtol=0.05, atol=0.05)


def test_the_documented_way_to_load_it_loads_it(taken: Path, tiny_base: Path) -> None:
    document = (REPOSITORY / "docs" / "adapters.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", document, re.DOTALL)
    found: dict[str, Any] = {"BASE": str(tiny_base), "FOLDER": str(taken)}
    exec(code, found)
    assert isinstance(found["model"], PeftModel)


def test_the_hub_reads_the_card(taken: Path) -> None:
    data = ModelCard.load(taken / "README.md").data
    assert data.library_name == "peft"
    assert "rlfc-arena" in data.tags
