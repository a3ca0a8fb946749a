"""A GPU that is missing, or full of what others put there, is not the fault of a run."""

import json

from training.trainers.job import JOB_FILE
from training.trainers.learner import crowd
from training.trainers.tests.builders import result_of, save_tiny_base, train, write_job

GIB = 2**30


def test_a_run_that_finds_no_gpu_where_there_was_one_is_put_off(tmp_path) -> None:
    base = save_tiny_base(tmp_path / "base")
    folders = [write_job(tmp_path / name, base) for name in ("one", "other")]
    for folder in folders:
        job = (folder / JOB_FILE).read_text()
        (folder / JOB_FILE).write_text(job.replace(json.dumps("cpu"), json.dumps("cuda")))
    train(*folders)
    for folder in folders:
        assert "no GPU now" in result_of(folder)["postponed"]


def test_memory_that_others_hold_is_named_and_what_a_run_takes_itself_is_its_own_fault() -> None:
    crowded = crowd(free=GIB, total=80 * GIB, own=5 * GIB)
    assert crowded.startswith(
        "The GPU ran out of memory while other programs held 74.0 of its 80.0"
    )
    assert crowd(free=GIB, total=80 * GIB, own=65 * GIB) == ""
