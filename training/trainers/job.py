"""What a worker gives a trainer process and gets back: files in one folder per job.

    job.toml        the job, written by the worker
    stop            written by the worker: "pause" or "cancel"; obeyed at the next step
    progress.jsonl  one line per step, appended and flushed by the trainer
    checkpoint/     adapter, optimizer and position, replaced as a whole now and then; a trainer that
                    finds one continues from there
    result.json     written last and atomically: figures, or {"error": sentence}, or
                    {"postponed": sentence} if another try may succeed, {"interrupted": sentence} if
                    it may but counts as one of few, or {"paused": true}, or {"cancelled": true}
    adapter/        adapter_config.json and adapter_model.safetensors

One process takes several jobs with the same base and precision: python -m training.trainers FOLDER...
Imports neither Django nor torch, because both sides import it.
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agents.files import write_atomically
from training.configs.configs import LearningConfig
from training.methods import config_from_json

JOB_FILE = "job.toml"
STOP_FILE = "stop"
PROGRESS_FILE = "progress.jsonl"
RESULT_FILE = "result.json"
ADAPTER_FOLDER = "adapter"
CHECKPOINT_FOLDER = "checkpoint"

PAUSE = "pause"
CANCEL = "cancel"


@dataclass(frozen=True)
class Job:
    """Everything about one training: nothing else is read from the environment."""

    base_path: str
    dataset_path: str  # JSON Lines: see training.methods.examples
    parent_adapter_path: str  # empty: a first adapter, and the base is the reference
    threads: int
    device: str  # "auto", "cpu" or "cuda"
    worker_pid: (
        int  # the trainer ends when this process is no longer its parent; 0: no such process
    )
    config: LearningConfig
    rehearsal_path: str = ""  # JSON Lines: see RehearsalExample; empty: nothing is rehearsed

    def write(self, folder: Path) -> Path:
        """Write job.toml into `folder` and return its path."""
        values = asdict(self)
        del values["config"]
        # JSON's strings, numbers and booleans are valid TOML, too.
        lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
        lines += ["", "[config]"]
        lines += [f"{key} = {json.dumps(value)}" for key, value in self.config.as_json().items()]
        path = folder / JOB_FILE
        write_atomically(path, "\n".join(lines) + "\n")
        return path

    @classmethod
    def read(cls, path: Path) -> "Job":
        values = tomllib.loads(path.read_text())
        return cls(**(values | {"config": config_from_json(values["config"])}))


@dataclass(frozen=True)
class RehearsalExample:
    """A line of the rehearsal file: the plain base's answer to a prompt that it made up."""

    prompt_ids: list[int]
    ids: list[int]


def read_result(folder: Path) -> dict[str, Any] | None:
    """The trainer's result, or None if it has not (completely) written one."""
    try:
        result = json.loads((folder / RESULT_FILE).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return result if isinstance(result, dict) else None


def write_result(folder: Path, result: Mapping[str, Any]) -> None:
    write_atomically(folder / RESULT_FILE, json.dumps(dict(result)))
