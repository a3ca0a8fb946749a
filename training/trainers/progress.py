"""What a run reports while it learns: progress.jsonl, and the guard against divergence."""

import json
import math
import os
import resource
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from agents.files import write_atomically
from training.trainers.job import PROGRESS_FILE
from training.trainers.stopped import TrainingStopped

MAX_LOSS_RISE = 8.0  # above the first step's loss; a loss that climbs this far has diverged
MAX_KL = 20.0  # nats per token from the parent, as displayed; beyond it, the parent is lost


class Progress:
    """Appends to the job's progress file; a resumed run drops lines past its checkpoint."""

    def __init__(self, folder: Path, *, steps_done: int) -> None:
        path = folder / PROGRESS_FILE
        kept = [line for line in _lines(path) if _step_of(line) <= steps_done]
        write_atomically(path, "".join(f"{line}\n" for line in kept))
        self._file = path.open("a")

    def write(self, line: Mapping[str, object]) -> None:
        self._file.write(json.dumps(dict(line)) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except FileNotFoundError:
        return []


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line).get("step", 0))
    except ValueError:  # the last line of a trainer that was killed
        return math.inf


def check_converges(losses: Sequence[float], *, grad_norm: float, kl: float) -> None:
    """Check the `losses` of all steps so far, this one last. Raises TrainingStopped."""
    step, loss = len(losses), losses[-1]
    advice = "Try a lower learning rate. The parent version stays."
    if not (math.isfinite(loss) and math.isfinite(grad_norm)):
        raise TrainingStopped(
            f"Training diverged at step {step}: the loss or its gradient is not a finite number. "
            f"{advice}"
        )
    if loss > losses[0] + MAX_LOSS_RISE:
        raise TrainingStopped(
            f"Training diverged at step {step}: the loss rose from {losses[0]:.2f} to {loss:.2f}. "
            f"{advice}"
        )
    if kl > MAX_KL:
        raise TrainingStopped(
            f"Training diverged at step {step}: the new version has drifted too far from its parent "
            f"(divergence {kl:.1f} per token). {advice}"
        )


def memory_bytes(device: torch.device) -> int:
    """Memory that this process holds now; on the GPU if it trains there."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def peak_memory_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
