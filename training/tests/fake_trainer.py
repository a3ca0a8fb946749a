"""A trainer process without a model: `python -m training.tests.fake_trainer JOB.toml`.

What it does is said by the file `behaviour` beside the base model's folder.
"""

import json
import os
import signal
import sys
import threading
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from training.trainers.job import ADAPTER_FOLDER, PROGRESS_FILE, Job, write_result


def main(path: Path) -> int:
    job, folder = Job.read(path), path.parent
    behaviour = (Path(job.base_path) / "behaviour").read_text()
    (folder / "environ.json").write_text(json.dumps(dict(os.environ)))
    (folder / "pid").write_text(str(os.getpid()))
    with (folder / PROGRESS_FILE).open("w") as progress:
        progress.write(json.dumps({"stage": "training"}) + "\n")
        for step in (1, 2):
            line = {"step": step, "steps": 2, "loss": 1.0 / step, "seconds": float(step)}
            progress.write(json.dumps(line) + "\n")
    match behaviour:
        case "hang":
            threading.Event().wait()
        case "crash":
            raise RuntimeError("secret details")
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "refuse":
            write_result(folder, {"error": "Training diverged at step 2."})
            return 3
    _save_adapter(job, folder / ADAPTER_FOLDER, value=np.nan if behaviour == "nan" else 0.01)
    write_result(folder, {"steps": 2, "loss_first": 1.0, "loss_last": 0.5})
    return 0


def _save_adapter(job: Job, folder: Path, *, value: float) -> None:
    folder.mkdir()
    rank = job.config.rank
    tensors = {}
    for name, weight in load_file(Path(job.base_path) / "model.safetensors").items():
        prefix = f"base_model.model.{name.removesuffix('.weight')}"
        outputs, inputs = weight.shape
        tensors[f"{prefix}.lora_A.weight"] = np.full((rank, inputs), value, np.float32)
        tensors[f"{prefix}.lora_B.weight"] = np.full((outputs, rank), value, np.float32)
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": job.config.alpha, "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps(config))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
