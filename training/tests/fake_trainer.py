"""A trainer process without a model: `python -m training.tests.fake_trainer FOLDER...`.

What it does is said by the file `behaviour` beside the base model's weights, and for one job by
`behaviour-SEED`, with the seed of the job's config. It keeps the contract of
training.trainers.job: all jobs take their steps in turn, a checkpoint follows each step.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from agents.files import write_atomically
from training.trainers.job import (
    ADAPTER_FOLDER,
    CANCEL,
    CHECKPOINT_FOLDER,
    JOB_FILE,
    PAUSE,
    PROGRESS_FILE,
    STOP_FILE,
    Job,
    read_result,
    write_result,
)

# As PyTorch tells it; the first line is CUDA's.
GPU_LOST = """torch.AcceleratorError: CUDA error: uncorrectable ECC error encountered
Search for `cudaErrorECCUncorrectable' in https://docs.nvidia.com/cuda/cuda-runtime-api/group__CUDART__TYPES.html for more information.
CUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be incorrect.
For debugging consider passing CUDA_LAUNCH_BLOCKING=1
Compile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.
"""
STEPS = 2
STEP_SECONDS = 0.05  # between looks at the stop file, while a job hangs


class FakeJob:
    """One job: its steps so far are its checkpoint."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.job = Job.read(folder / JOB_FILE)
        base = Path(self.job.base_path)
        own = base / f"behaviour-{self.job.config.seed}"
        self.behaviour = (own if own.exists() else base / "behaviour").read_text()
        self.checkpoint = folder / CHECKPOINT_FOLDER
        self.is_resumed = self.checkpoint.exists()
        self.step = int((self.checkpoint / "step").read_text()) if self.is_resumed else 0
        self.is_over = False
        if self.behaviour == "replace progress":
            time.sleep(3 * STEP_SECONDS)
            lines = (folder / PROGRESS_FILE).read_text().splitlines(keepends=True)
            write_atomically(folder / PROGRESS_FILE, "".join(lines[:2]))
        (folder / "environ.json").write_text(json.dumps(dict(os.environ)))
        (folder / "pid").write_text(str(os.getpid()))
        self._write({"stage": "training"})

    def go_on(self) -> None:
        """One step, or the end."""
        if self._is_stopped():
            return
        if self.step == 1:
            self._misbehave()
        if self.is_over or (self.step == 1 and self.behaviour in {"hang", "deaf"}):
            return
        if self.step == 2 and self.behaviour == "hang at 2":
            return
        if self.step < STEPS:
            self.step += 1
            self._write(
                {
                    "step": self.step,
                    "steps": STEPS,
                    "loss": 1.0 / self.step,
                    "seconds": float(self.step),
                }
            )
            self._save_checkpoint()
        else:
            self._save_adapter()
            figures = {"steps": STEPS, "loss_first": 1.0, "loss_last": 0.5, "drift": []}
            self._end(figures)

    def _is_stopped(self) -> bool:
        stop = self.folder / STOP_FILE
        if self.behaviour == "deaf" or not stop.exists():
            return False
        self._end({PAUSE: {"paused": True}, CANCEL: {"cancelled": True}}[stop.read_text()])
        return True

    def _misbehave(self) -> None:
        match self.behaviour:
            case "crash":
                raise RuntimeError("secret details")
            case "lose the GPU":
                raise RuntimeError(GPU_LOST)
            case "lose the GPU in a library":
                sys.stderr.write(
                    f"terminate called after throwing an instance of 'c10::Error'\n{GPU_LOST}"
                )
                sys.stderr.flush()
                os.abort()
            case "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            case "killed once" if not self.is_resumed:
                os.kill(os.getpid(), signal.SIGKILL)
            case "refuse":
                self._end({"error": "Training diverged at step 2."})

    def _end(self, result: Mapping[str, object]) -> None:
        write_result(self.folder, result)
        self.is_over = True

    def _write(self, line: dict[str, object]) -> None:
        with (self.folder / PROGRESS_FILE).open("a") as progress:
            progress.write(json.dumps(line) + "\n")

    def _save_checkpoint(self) -> None:
        self.checkpoint.mkdir(exist_ok=True)
        (self.checkpoint / "step").write_text(str(self.step))

    def _save_adapter(self) -> None:
        folder = self.folder / ADAPTER_FOLDER
        folder.mkdir()
        rank = self.job.config.rank
        value = np.nan if self.behaviour == "nan" else 0.01
        tensors = {}
        for name, weight in load_file(Path(self.job.base_path) / "model.safetensors").items():
            prefix = f"base_model.model.{name.removesuffix('.weight')}"
            outputs, inputs = weight.shape
            tensors[f"{prefix}.lora_A.weight"] = np.full((rank, inputs), value, np.float32)
            tensors[f"{prefix}.lora_B.weight"] = np.full((outputs, rank), value, np.float32)
        save_file(tensors, folder / "adapter_model.safetensors")
        config = {
            "peft_type": "LORA",
            "r": rank,
            "lora_alpha": self.job.config.alpha,
            "bias": "none",
        }
        (folder / "adapter_config.json").write_text(json.dumps(config))


def main(folders: list[Path]) -> int:
    jobs = [FakeJob(folder) for folder in folders]
    while going := [job for job in jobs if not job.is_over]:
        for job in going:
            job.go_on()
        time.sleep(STEP_SECONDS)
    return 3 if any("error" in (read_result(folder) or {}) for folder in folders) else 0


if __name__ == "__main__":
    sys.exit(main([Path(argument) for argument in sys.argv[1:]]))
