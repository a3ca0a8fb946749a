"""A run's state between two steps, as one file that is replaced atomically.

safetensors, so that reading it cannot run code. A run that continues from it takes the same steps,
bit for bit, as one that was never interrupted.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from agents.files import write_atomically
from training.trainers.job import CHECKPOINT_FOLDER

STATE_FILE = "state.safetensors"


@dataclass(frozen=True)
class Position:
    """Where a run is. `job` identifies it, because another job's state must not be used."""

    job: str
    step: int
    tokens: int
    seconds: float
    losses: tuple[float, ...]


def save_checkpoint(folder: Path, *, position: Position, tensors: dict[str, torch.Tensor]) -> None:
    """Replace the state in the job's `folder`, completely or not at all. Raises OSError."""
    target = folder / CHECKPOINT_FOLDER / STATE_FILE
    target.parent.mkdir(exist_ok=True)
    state = save(
        {name: tensor.detach().cpu() for name, tensor in tensors.items()},
        metadata={"position": json.dumps(asdict(position))},
    )
    write_atomically(target, state)


def read_checkpoint(folder: Path, *, job: str) -> tuple[Position, dict[str, torch.Tensor]] | None:
    """The state saved for exactly this job, or None: then the run starts from the beginning."""
    path = folder / CHECKPOINT_FOLDER / STATE_FILE
    try:
        with safe_open(path, framework="pt") as file:
            values = json.loads(file.metadata()["position"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        position = Position(**values | {"losses": tuple(values["losses"])})
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None
    return (position, tensors) if position.job == job else None
