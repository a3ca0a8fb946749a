"""What a worker gives the trainer of a judge: the same files as training/trainers/job.py has.

    job.toml        the job
    dataset.jsonl   one group per line: see JudgedGroup
    judge/          adapter_config.json, adapter_model.safetensors, and head.safetensors

python -m training.trainers.judging FOLDER
Imports neither Django nor torch, because both sides import it.
"""

import json
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agents.files import write_atomically
from training.trainers.job import JOB_FILE

DATASET_FILE = "dataset.jsonl"
JUDGE_FOLDER = "judge"
HEAD_FILE = "head.safetensors"


@dataclass(frozen=True)
class JudgedGroup:
    """Answers to one prompt, of which the first is better than each of the others."""

    prompt: str
    better: str
    worse: tuple[str, ...]  # not empty
    # Whether the better one does what the prompt asks and the others don't; otherwise only their
    # order is known.
    is_absolute: bool = False

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, line: dict[str, Any]) -> "JudgedGroup":
        return cls(**(line | {"worse": tuple(line["worse"])}))


@dataclass(frozen=True)
class JudgeJob:
    """Everything about one training of a judge. Why these figures: docs/decisions/learned-judge.md"""

    base_path: str
    threads: int
    device: str  # "auto", "cpu" or "cuda"
    worker_pid: int  # the trainer ends when this is no longer its parent; 0: no such process
    rank: int = 16
    alpha: int = 32
    learning_rate: float = 5e-4
    groups_per_step: int = 4
    epochs: int = 1
    seed: int = 0
    clip: float = 1.0
    absolute_weight: float = 0.3  # of the cross entropy beside the loss of the order
    max_seconds: float = 3600.0  # after which the training ends early, with what it has learned

    def write(self, folder: Path) -> None:
        lines = [f"{name} = {json.dumps(value)}" for name, value in asdict(self).items()]
        write_atomically(folder / JOB_FILE, "\n".join(lines) + "\n")

    @classmethod
    def read(cls, folder: Path) -> "JudgeJob":
        return cls(**tomllib.loads((folder / JOB_FILE).read_text()))


def write_groups(folder: Path, groups: list[JudgedGroup]) -> None:
    lines = "".join(json.dumps(group.as_json()) + "\n" for group in groups)
    write_atomically(folder / DATASET_FILE, lines)
