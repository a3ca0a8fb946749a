"""Adapters over a base of a test, as folders, as stored rows, and as files that somebody sends."""

import io
import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
from django.conf import settings
from numpy.typing import NDArray
from safetensors.numpy import save, save_file

from agents.adapters.archive import SentFile
from agents.adapters.checks import CONFIG_FILE, WEIGHTS_FILE, linear_shapes
from agents.adapters.store import store_adapter
from agents.models import Adapter, Agent, AgentVersion
from agents.roster import add_trained_version
from arena.models import Space
from training.adapters.uploading import upload_adapter
from training.models import TrainingRun

RANK, ALPHA = 4, 8

Tensors = dict[str, NDArray[Any]]


def small_base(folder: Path) -> Path:
    """A folder that looks like a base model of one layer."""
    folder.mkdir()
    shapes = {"self_attn.q_proj": (6, 8), "mlp.down_proj": (8, 10)}
    layers = {f"model.layers.0.{name}.weight": np.zeros(shape) for name, shape in shapes.items()}
    save_file(
        layers | {"model.embed_tokens.weight": np.zeros((20, 8))}, folder / "model.safetensors"
    )
    return folder


def some_tensors(base_folder: Path, *, seed: int = 0, rank: int = RANK) -> Tensors:
    """LoRA weights over every linear layer of the base."""
    rng, tensors = np.random.default_rng(seed), {}
    for module, (outputs, inputs) in linear_shapes(base_folder).items():
        for side, shape in (("A", (rank, inputs)), ("B", (outputs, rank))):
            name = f"base_model.model.{module}.lora_{side}.weight"
            tensors[name] = rng.normal(0, 0.3, shape).astype(np.float32)
    return tensors


def some_config(**changes: Any) -> dict[str, Any]:
    return {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "bias": "none"} | changes


def sent(tensors: Tensors, **config: Any) -> list[SentFile]:
    """The two files of an adapter, as a browser sends them."""
    return as_sent({CONFIG_FILE: json.dumps(some_config(**config)), WEIGHTS_FILE: save(tensors)})


def as_sent(contents: Mapping[str, str | bytes]) -> list[SentFile]:
    return [
        SentFile(name, io.BytesIO(content.encode() if isinstance(content, str) else content))
        for name, content in contents.items()
    ]


def zipped(contents: Mapping[str, str | bytes], *, name: str = "mine.zip") -> list[SentFile]:
    """One zip file with these."""
    file = io.BytesIO()
    with ZipFile(file, "w") as archive:
        for path, content in contents.items():
            archive.writestr(path, content)
    return [SentFile(name, file)]


def stored_version(
    agent: Agent, base_folder: Path, scratch: Path, *, seed: int = 0
) -> AgentVersion:
    """A version of the agent with weights in the store; it does not play."""
    folder = scratch / f"made-{seed}"
    folder.mkdir(parents=True)
    save_file(some_tensors(base_folder, seed=seed), folder / WEIGHTS_FILE)
    (folder / CONFIG_FILE).write_text(json.dumps(some_config()))
    adapter = store_adapter(folder, base_model=agent.base_model, parent=None)
    assert agent.current_version is not None
    return add_trained_version(
        agent.pk, parent_version_id=agent.current_version.pk, adapter_id=adapter.pk
    )


def bring(
    agent: Agent, space: Space, files: list[SentFile], *, key: uuid.UUID | None = None
) -> TrainingRun:
    return upload_adapter(
        agent.owner_id,
        agent_id=agent.pk,
        space_slug=space.slug,
        files=files,
        request_id=key or uuid.uuid4(),
    )


def kept() -> tuple[Any, ...]:
    """Everything that an upload leaves behind."""
    folder = Path(settings.ADAPTER_STORE)
    files = sorted(str(path) for path in folder.rglob("*") if path.is_file() or path.name[0] == ".")
    rows = Adapter.objects.count(), AgentVersion.objects.count(), TrainingRun.objects.count()
    return (files, *rows)
