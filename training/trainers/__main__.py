"""`python -m training.trainers FOLDER [FOLDER...]`: see training/trainers/job.py."""

import os
import sys
from pathlib import Path

from training.trainers.job import JOB_FILE, Job
from training.trainers.watch import die_with

# CUDA reads it when torch first uses it; without it, matrix products differ from run to run.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def main() -> int:
    folders = [Path(argument) for argument in sys.argv[1:]]
    if worker_pid := Job.read(folders[0] / JOB_FILE).worker_pid:
        die_with(worker_pid)
    # Importing torch takes seconds, during which the worker may be killed.
    from training.trainers.learner import learn  # noqa: PLC0415 see above

    return learn(folders)


if __name__ == "__main__":
    sys.exit(main())
