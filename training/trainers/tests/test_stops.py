"""Trainers that are killed, ended, paused or out of disk space, and what is left of their runs."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from training.trainers.job import (
    CHECKPOINT_FOLDER,
    PROGRESS_FILE,
    RESULT_FILE,
    STOP_FILE,
    read_result,
)
from training.trainers.tests.builders import (
    TIMEOUT_SECONDS,
    lines_of,
    result_of,
    some_pairs,
    some_rehearsal,
    start,
    steps_of,
    train,
    trainers,
    wait_for_step,
    weights_of,
    write_job,
)

LINGERS_AFTER = 10  # steps of a run, until there is a file GO beside its folder
GO = "go"
LINGERING = f"""
import sys, time
from pathlib import Path
from training.trainers import learner, run
folders = [Path(folder) for folder in sys.argv[1:]]
class Lingering(run.Run):
    def _step(self, *given, **named):
        while len(self._losses) == {LINGERS_AFTER} and not (folders[0].parent / "{GO}").exists():
            time.sleep(0.01)
        return super()._step(*given, **named)
learner.Run = Lingering
run.CHECKPOINT_SECONDS = %s
sys.exit(learner.learn(folders))
"""
# A checkpoint after each step, or none by itself.
EAGER, LAZY = LINGERING % "0.0", LINGERING % "float('inf')"
FULL_DISK = """
import resource, sys
from pathlib import Path
from training.trainers import learner, run
run.CHECKPOINT_SECONDS = 0.0
resource.setrlimit(resource.RLIMIT_FSIZE, (%d, %d))
sys.exit(learner.learn([Path(folder) for folder in sys.argv[1:]]))
"""
NO_MEMORY = """
import sys
from pathlib import Path
import torch
from training.trainers import learner, run
class Greedy(run.Run):
    def _step(self, *given, **named):
        if self._config.seed == 7:
            torch.empty(2**50)
        return super()._step(*given, **named)
learner.Run = Greedy
sys.exit(learner.learn([Path(folder) for folder in sys.argv[1:]]))
"""
PAIRS = some_pairs(20)
STEPS = 60
LONG: dict[str, Any] = {"lines": PAIRS, "epochs": 3, "pairs_per_step": 1}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Path:
    """The long run, never interrupted."""
    folder = write_job(tmp_path_factory.mktemp("whole") / "job", tiny_base, **LONG)
    train(folder)
    return folder


def test_a_killed_run_goes_on_from_its_checkpoint_to_the_same_adapter(
    tiny_base: Path, tmp_path: Path, whole: Path
) -> None:
    killed = write_job(tmp_path / "killed", tiny_base, **LONG)
    process = start(killed, program=("-c", EAGER))
    wait_for_step(killed, process, step=LINGERS_AFTER)
    process.kill()
    assert len(steps_of(killed)) == LINGERS_AFTER, "it was killed in the middle"
    assert read_result(killed) is None
    train(killed)
    assert weights_of(killed) == weights_of(whole)
    steps = steps_of(killed)
    assert [line["step"] for line in steps] == list(range(1, STEPS + 1)), "each step is told once"
    assert [line["loss"] for line in steps] == [line["loss"] for line in steps_of(whole)]
    stages = [json.loads(line).get("stage") for line in lines_of(killed)]
    assert stages.count("scoring the examples with the parent") == 1, "it did not start over"


def test_sigterm_keeps_what_was_learned(tiny_base: Path, tmp_path: Path, whole: Path) -> None:
    folder = write_job(tmp_path / "ended", tiny_base, **LONG)
    process = start(folder, program=("-c", LAZY))
    wait_for_step(folder, process, step=LINGERS_AFTER)
    process.send_signal(signal.SIGTERM)
    (tmp_path / GO).touch()
    assert process.wait(timeout_seconds=TIMEOUT_SECONDS) == 143, process.output[-3000:]
    assert read_result(folder) is None
    train(folder)
    stages = [json.loads(line).get("stage") for line in lines_of(folder)]
    assert stages.count("scoring the examples with the parent") == 1
    assert weights_of(folder) == weights_of(whole)


def test_a_paused_run_waits_while_others_go_on_and_resumes_bit_for_bit(
    tiny_base: Path, tmp_path: Path, whole: Path
) -> None:
    paused = write_job(tmp_path / "paused", tiny_base, **LONG)
    cancelled = write_job(tmp_path / "cancelled", tiny_base, **LONG)
    other = write_job(tmp_path / "other", tiny_base, **LONG)
    process = start(paused, cancelled, other, program=("-c", LAZY))
    wait_for_step(paused, process, step=LINGERS_AFTER)
    (paused / STOP_FILE).write_text("pause")
    (cancelled / STOP_FILE).write_text("cancel")
    (tmp_path / GO).touch()
    assert process.wait(timeout_seconds=TIMEOUT_SECONDS) == 0, process.output[-3000:]
    assert result_of(paused) == {"paused": True}
    assert result_of(cancelled) == {"cancelled": True}
    assert not (cancelled / CHECKPOINT_FOLDER).exists()
    assert len(steps_of(paused)) < STEPS
    assert result_of(other)["steps"] == STEPS
    (paused / STOP_FILE).unlink()
    train(paused, cancelled, other)
    assert weights_of(paused) == weights_of(other) == weights_of(whole)
    assert result_of(cancelled) == {"cancelled": True}, "what has ended stays so"


@pytest.mark.parametrize("other", [{}, LONG | {"rehearsed": some_rehearsal(20, seed=5)}])
def test_a_checkpoint_of_other_examples_or_another_rehearsal_is_not_taken(
    tiny_base: Path, tmp_path: Path, other: dict[str, Any]
) -> None:
    first = write_job(tmp_path / "first", tiny_base, **LONG)
    process = start(first, program=("-c", EAGER))
    wait_for_step(first, process, step=3)
    process.kill()
    second, plain = (write_job(tmp_path / name, tiny_base, **other) for name in ("second", "plain"))
    (first / CHECKPOINT_FOLDER).rename(second / CHECKPOINT_FOLDER)
    train(second, plain)
    assert weights_of(second) == weights_of(plain)


def test_a_full_disk_while_saving_postpones_the_run_and_leaves_no_half_adapter(
    tiny_base: Path, tmp_path: Path
) -> None:
    folder = write_job(tmp_path / "job", tiny_base, rank=16)
    process = start(folder, program=("-c", FULL_DISK % (40_000, 40_000)))
    assert process.wait(timeout_seconds=TIMEOUT_SECONDS) == 1, process.output[-3000:]
    sentence = "The trainer could not write its files (File too large)."
    assert result_of(folder) == {"postponed": sentence}
    assert not [path for path in folder.iterdir() if "adapter" in path.name]
    train(folder)
    assert result_of(folder)["steps"] == 6, "it is tried again where there is room"


def test_a_checkpoint_that_finds_no_room_does_not_end_the_run(
    tiny_base: Path, tmp_path: Path
) -> None:
    plain, full = (write_job(tmp_path / name, tiny_base, rank=16) for name in ("plain", "full"))
    train(plain)
    limit = (plain / "adapter" / "adapter_model.safetensors").stat().st_size + 10_000
    process = start(full, program=("-c", FULL_DISK % (limit, limit)))
    assert process.wait(timeout_seconds=TIMEOUT_SECONDS) == 0, process.output[-3000:]
    assert "no checkpoint at step 1" in process.output
    assert weights_of(full) == weights_of(plain)


def test_a_run_for_which_memory_is_too_small_is_told_so(tiny_base: Path, tmp_path: Path) -> None:
    greedy = write_job(tmp_path / "greedy", tiny_base, seed=7)
    process = start(greedy, program=("-c", NO_MEMORY))
    assert process.wait(timeout_seconds=TIMEOUT_SECONDS) == 0, process.output[-3000:]
    assert result_of(greedy)["error"].startswith("Training ran out of memory")


def test_want_of_memory_beside_others_is_tried_again_and_spares_them(
    tiny_base: Path, tmp_path: Path
) -> None:
    """Whose share was too large, nobody knows; the last attempt is made alone."""
    good = write_job(tmp_path / "good", tiny_base)
    greedy = write_job(tmp_path / "greedy", tiny_base, seed=7)
    process = start(good, greedy, program=("-c", NO_MEMORY))
    assert process.wait(timeout_seconds=TIMEOUT_SECONDS) == 1, process.output[-3000:]
    assert result_of(good)["steps"] == 6
    assert not (greedy / RESULT_FILE).exists()


def test_a_fault_of_the_program_leaves_no_result_and_spares_other_runs(
    tiny_base: Path, tmp_path: Path
) -> None:
    good = write_job(tmp_path / "good", tiny_base)
    bad = write_job(tmp_path / "bad", tiny_base)
    (bad / STOP_FILE).write_text("dance")
    process = start(good, bad)
    assert process.wait(timeout_seconds=TIMEOUT_SECONDS) == 1
    assert "the stop file" in process.output
    assert result_of(good)["steps"] == 6
    assert not (bad / RESULT_FILE).exists()


def test_a_trainer_leaves_with_its_worker(tiny_base: Path, tmp_path: Path) -> None:
    folder = write_job(tmp_path / "job", tiny_base, **LONG)
    job = (folder / "job.toml").read_text()
    (folder / "job.toml").write_text(
        job.replace(f"worker_pid = {trainers().pid}", "worker_pid = 1")
    )
    process = start(folder)
    assert process.wait(timeout_seconds=TIMEOUT_SECONDS) == 4
    assert not (folder / PROGRESS_FILE).exists()
