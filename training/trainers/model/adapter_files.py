"""Adapter files in PEFT's format, safetensors only: reads the parent, writes the child."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from agents.files import publish_folder
from training.trainers.model.lora import TENSOR_PREFIX, AdapterPlan, AdapterWeights, Shapes
from training.trainers.stopped import TrainingStopped

WEIGHTS_FILE = "adapter_model.safetensors"
CONFIG_FILE = "adapter_config.json"
_PICKLES = {".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt"}


def read_parent(folder: Path, *, shapes: Shapes) -> tuple[AdapterPlan, dict[str, torch.Tensor]]:
    """The adapter to start from. Raises TrainingStopped if it does not fit the base."""
    if not folder.is_dir():
        raise TrainingStopped("The parent version's adapter is missing from the adapter store.")
    for path in folder.iterdir():
        if path.suffix in _PICKLES:
            raise TrainingStopped(
                f"The parent's adapter contains {path.name}, which may run code when it is read; "
                "only safetensors are accepted."
            )
    try:
        config = json.loads((folder / CONFIG_FILE).read_bytes())
        rank, alpha = int(config["r"]), int(config["lora_alpha"])
        tensors: dict[str, torch.Tensor] = load_file(folder / WEIGHTS_FILE)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise TrainingStopped("The parent version's adapter cannot be read.") from error
    modules = tuple(name for name in shapes if f"{TENSOR_PREFIX}{name}.lora_A.weight" in tensors)
    plan = AdapterPlan(rank=rank, alpha=alpha, modules=modules)
    _check_fits(plan, tensors, shapes)
    return plan, tensors


def _check_fits(plan: AdapterPlan, tensors: Mapping[str, torch.Tensor], shapes: Shapes) -> None:
    expected = {
        f"{TENSOR_PREFIX}{module}.lora_{side}.weight": shape
        for module in plan.modules
        for side, shape in (
            ("A", (plan.rank, shapes[module][1])),
            ("B", (shapes[module][0], plan.rank)),
        )
    }
    for name in tensors.keys() ^ expected.keys():
        raise TrainingStopped(
            f"The parent's adapter belongs to another base model: {name[:120]} has no place here."
        )
    if not tensors:
        raise TrainingStopped("The parent's adapter holds no weights.")
    for name, shape in expected.items():
        if tuple(tensors[name].shape) != shape:
            raise TrainingStopped(
                f"The parent's adapter does not fit this base model at rank {plan.rank}: {name} "
                f"has the shape {tuple(tensors[name].shape)}, not {shape}."
            )


def save_adapter(adapter: AdapterWeights, target: Path) -> None:
    """Write the folder `target` whole or not at all, on the disk when this returns. Raises OSError."""
    partial = target.with_name(f".{target.name}")
    shutil.rmtree(partial, ignore_errors=True)
    plan = adapter.plan
    config: dict[str, Any] = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": plan.rank,
        "lora_alpha": plan.alpha,
        "lora_dropout": 0.0,
        "target_modules": sorted({name.rpartition(".")[2] for name in plan.modules}),
        "bias": "none",
        "inference_mode": True,
    }
    tensors = {name: tensor.cpu().contiguous() for name, tensor in adapter.tensors().items()}
    try:
        partial.mkdir(parents=True)
        (partial / WEIGHTS_FILE).write_bytes(save(tensors, metadata={"format": "pt"}))
        (partial / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n")
        shutil.rmtree(target, ignore_errors=True)
        publish_folder(partial, target)
    except OSError:
        shutil.rmtree(partial, ignore_errors=True)
        raise
