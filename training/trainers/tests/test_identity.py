"""Which state of a run is whose: what an earlier release's trainer has saved, later ones find."""

from pathlib import Path
from typing import Any

import pytest

from training.methods import config_from_json
from training.trainers.job import Job
from training.trainers.run import Run


@pytest.mark.parametrize(
    ("method", "is_first", "identity"),
    [
        ("dpo", False, "f8ee213be6594663a234461f94e5d308fed835aa6dbd284b6904d58267680968"),
        ("dpo", True, "a4947b2912d0ee25980fe823816510290b00dd5013136ffec22752b68747acd4"),
        ("grpo", False, "946cb9b16c20bf23dbc1a102204b6b19716291082b3ff011e59e36623d805afc"),
        ("grpo", True, "d480e7fc942aa801e03aa9607d1752605385c955fd2e99a214e156c9d138dca4"),
    ],
)
def test_a_job_keeps_the_identity_that_its_checkpoint_names(
    tmp_path: Path, method: str, is_first: bool, identity: str
) -> None:
    dataset, rehearsed = tmp_path / "dataset.jsonl", tmp_path / "rehearsal.jsonl"
    dataset.write_text(
        '{"prompt_ids": [5, 6], "chosen_ids": [7, 2], "rejected_ids": [8, 2], "noise": 0.1}\n'
    )
    rehearsed.write_text('{"prompt_ids": [5], "ids": [9, 2]}\n')
    job = Job(
        base_path="/base",
        dataset_path=str(dataset),
        parent_adapter_path="" if is_first else "/adapters/ab12",
        threads=1,
        device="cpu",
        worker_pid=0,
        config=config_from_json({"method": method, "rank": 4, "seed": 7}),
        rehearsal_path="" if is_first else str(rehearsed),
    )
    no_base: Any = None  # the base that is loaded is not in it
    assert Run(tmp_path, job, no_base)._identify() == identity
