"""`python -m training.trainers FOLDER [FOLDER...]`: see training/trainers/job.py."""

import os
import sys
from pathlib import Path

# Read by CUDA when torch first uses it: without it, its products differ from run to run.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

from training.trainers.learner import learn

if __name__ == "__main__":
    sys.exit(learn([Path(argument) for argument in sys.argv[1:]]))
