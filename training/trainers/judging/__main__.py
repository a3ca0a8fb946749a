"""`python -m training.trainers.judging FOLDER`: see training/trainers/judging/job.py."""

import os
import sys
from pathlib import Path

from training.trainers.judging.job import JudgeJob
from training.trainers.watch import die_with

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # see training/trainers/__main__.py


def main() -> int:
    folder = Path(sys.argv[1])
    if worker_pid := JudgeJob.read(folder).worker_pid:
        die_with(worker_pid)
    # Importing torch takes seconds, during which the worker may be killed.
    from training.trainers.judging.learner import learn_judge  # noqa: PLC0415 see above

    return learn_judge(folder)


if __name__ == "__main__":
    sys.exit(main())
