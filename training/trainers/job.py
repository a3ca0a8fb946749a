"""What a worker hands to a trainer process and what it gets back: files of one folder.

    job.toml        the job, written by the worker
    progress.jsonl  one line a step, flushed, written by the trainer
    result.json     written last and atomically: the adapter's digest, or {"error": sentence}
    adapter/        adapter_config.json and adapter_model.safetensors

Imports neither Django nor torch: both sides read it.
"""

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from training.configs import DPOConfig

JOB_FILE = "job.toml"
PROGRESS_FILE = "progress.jsonl"
RESULT_FILE = "result.json"
ADAPTER_FOLDER = "adapter"


@dataclass(frozen=True)
class Job:
    """One training, complete: nothing else is read from the environment."""

    base_path: str
    dataset_path: str
    parent_adapter_path: str  # empty: a first adapter, and the base is the reference
    threads: int
    device: str  # "auto", "cpu" or "cuda"
    worker_pid: int  # the trainer ends when this process is no longer its parent; 0: nobody's
    config: DPOConfig

    def write(self, folder: Path) -> Path:
        """Write job.toml into `folder` and return its path."""
        values = asdict(self)
        del values["config"]
        # JSON's strings, numbers and booleans are TOML's, too.
        lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
        lines += ["", "[config]"]
        lines += [f"{key} = {json.dumps(value)}" for key, value in self.config.as_json().items()]
        path = folder / JOB_FILE
        write_atomically(path, "\n".join(lines) + "\n")
        return path

    @classmethod
    def read(cls, path: Path) -> "Job":
        values = tomllib.loads(path.read_text())
        return cls(**(values | {"config": DPOConfig.from_json(values["config"])}))


def read_result(folder: Path) -> dict[str, Any] | None:
    """The trainer's result, or None where it has not (or not wholly) written one."""
    try:
        result = json.loads((folder / RESULT_FILE).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return result if isinstance(result, dict) else None


def write_result(folder: Path, result: Mapping[str, Any]) -> None:
    write_atomically(folder / RESULT_FILE, json.dumps(dict(result)))


def write_atomically(path: Path, text: str) -> None:
    """A reader sees the whole new text or none of it, also after a power cut."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with partial.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
