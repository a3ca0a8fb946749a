"""The real trainer of judges on a tiny base, in processes of its own."""

from pathlib import Path

import pytest
import torch

from training.trainers.job import RESULT_FILE
from training.trainers.judging.head import group_loss
from training.trainers.judging.job import HEAD_FILE
from training.trainers.judging.tests.builders import (
    judge_bits,
    save_reading_base,
    start_judge,
    train_judge_of,
    write_judge_job,
)
from training.trainers.tests.builders import TIMEOUT_SECONDS, result_of, steps_of, wait_for_step

LINGERS_AFTER = (4, 7)  # steps, until there is a stop file
LINGERING = f"""
import sys, time
from pathlib import Path
from training.trainers.judging import learner
folder = Path(sys.argv[1])
class Lingering(learner.JudgeTraining):
    def _step(self, number):
        while number in {LINGERS_AFTER} and not (folder / "stop").exists():
            time.sleep(0.01)
        return super()._step(number)
learner.JudgeTraining = Lingering
sys.exit(learner.learn_judge(folder))
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_reading_base(tmp_path_factory.mktemp("reading") / "base")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, base: Path) -> Path:
    folder = write_judge_job(tmp_path_factory.mktemp("trained") / "job", base)
    train_judge_of(folder)
    return folder


def test_an_obvious_order_is_learned_in_seconds(trained: Path) -> None:
    steps = steps_of(trained)
    first, last = ([step["accuracy"] for step in part] for part in (steps[:3], steps[-3:]))
    assert sum(last) / 3 > 0.9 > sum(first) / 3
    assert result_of(trained)["steps"] == result_of(trained)["planned_steps"] == 30


def test_a_judge_is_an_adapter_and_a_head_beside_it(trained: Path) -> None:
    files = set(judge_bits(trained))
    assert files == {"adapter_config.json", "adapter_model.safetensors", HEAD_FILE}


def test_a_trainer_that_was_killed_goes_on_to_the_same_weights(
    trained: Path, base: Path, tmp_path: Path
) -> None:
    folder = write_judge_job(tmp_path / "killed", base)
    first, second = LINGERS_AFTER
    process = start_judge(folder, program=("-c", LINGERING))
    wait_for_step(folder, process, step=first)
    (folder / "stop").write_text("pause")  # a checkpoint now, not after seconds
    assert process.wait(timeout_seconds=TIMEOUT_SECONDS) == 0
    (folder / "stop").unlink()
    assert first < len(steps_of(folder)) < second
    again = start_judge(folder, program=("-c", LINGERING))
    wait_for_step(folder, again, step=second)
    again.kill()
    assert not (folder / RESULT_FILE).exists()
    train_judge_of(folder)
    assert judge_bits(folder) == judge_bits(trained)


def test_groups_without_a_worse_answer_end_with_a_sentence(base: Path, tmp_path: Path) -> None:
    folder = write_judge_job(tmp_path / "empty", base, groups=[])
    train_judge_of(folder)
    assert result_of(folder)["error"].startswith("There is nothing to learn from")


def test_training_ends_early_with_what_it_has_learned(base: Path, tmp_path: Path) -> None:
    folder = write_judge_job(tmp_path / "short", base, max_seconds=0.0)
    train_judge_of(folder)
    assert result_of(folder)["steps"] == 1
    assert judge_bits(folder)


def test_only_the_order_counts_unless_more_is_known() -> None:
    scores = torch.tensor([1.0, -1.0, 0.0])
    by_order = group_loss(scores, is_absolute=False, absolute_weight=0.3)
    assert torch.isclose(by_order, group_loss(scores + 5, is_absolute=False, absolute_weight=0.3))
    assert group_loss(scores, is_absolute=True, absolute_weight=0.3) > by_order
