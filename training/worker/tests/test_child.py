import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arena.config.env import REPOSITORY
from training.methods.dpo import DPOConfig
from training.tests.scripted import behave
from training.trainers.job import CANCEL, PAUSE, Job, read_result, write_result
from training.worker.child import FollowedJob, TrainerDied, TrainerFailed, result_of, run_trainer

FAKE = "training.tests.fake_trainer"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.worker.child.POLL_SECONDS", 0.1)


@pytest.fixture
def folder(tmp_path: Path, fake_base: Path) -> Path:
    return make_folder(tmp_path / "attempt", fake_base)


def make_folder(folder: Path, base: Path, *, seed: int = 0) -> Path:
    folder.mkdir()
    make_job(base, config=DPOConfig(learning_rate=1e-5, seed=seed)).write(folder)
    return folder


def run(*folders: Path, on_lines: Callable[[list[dict[str, Any]]], str] = lambda lines: "") -> int:
    return run_trainer([FollowedJob(folder, on_lines) for folder in folders], module=FAKE)


def make_job(base: Path, **changes: Any) -> Job:
    values: dict[str, Any] = {
        "base_path": str(base),
        "dataset_path": 'with "quotes" and \\ and é',
        "parent_adapter_path": "",
        "threads": 1,
        "device": "cpu",
        "worker_pid": 0,
        "config": DPOConfig(learning_rate=1e-5),
    }
    return Job(**(values | changes))


def test_a_job_is_the_same_after_toml(tmp_path: Path, fake_base: Path) -> None:
    job = make_job(fake_base)
    assert Job.read(job.write(tmp_path)) == job


def test_a_result_that_is_not_wholly_there_is_none(tmp_path: Path) -> None:
    assert read_result(tmp_path) is None
    (tmp_path / "result.json").write_text('{"steps": ')
    assert read_result(tmp_path) is None


def test_progress_comes_line_by_line_and_the_result_at_the_end(folder: Path) -> None:
    lines: list[dict[str, Any]] = []

    def follow(new: list[dict[str, Any]]) -> str:
        lines.extend(new)
        return ""

    returncode = run(folder, on_lines=follow)
    assert [line.get("step") for line in lines] == [None, 1, 2]
    assert result_of(folder, returncode=returncode)["loss_last"] == 0.5


def test_lines_of_a_file_that_a_resumed_trainer_replaced_all_come_again(
    folder: Path, fake_base: Path
) -> None:
    (folder / "progress.jsonl").write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n')
    behave(fake_base, "replace progress")
    seen: list[int | None] = []

    def follow(new: list[dict[str, Any]]) -> str:
        seen.extend(line.get("step") for line in new)
        return ""

    run(folder, on_lines=follow)
    assert seen[-5:] == [1, 2, None, 1, 2]


def test_a_trainer_inherits_no_secret_and_no_network(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "s3cret")
    monkeypatch.setenv("VLLM_API_KEY", "s3cret")
    run(folder)
    environ = json.loads((folder / "environ.json").read_text())
    assert "s3cret" not in environ.values()
    assert "DATABASE_URL" not in environ
    assert environ["HF_HUB_OFFLINE"] == "1"


def test_an_interrupted_job_is_one_of_few_tries_and_says_why(tmp_path: Path) -> None:
    write_result(tmp_path, {"interrupted": "Others hold the memory."})
    with pytest.raises(TrainerDied, match="Others hold the memory"):
        result_of(tmp_path, returncode=0)


@pytest.mark.parametrize(
    ("behaviour", "error", "sentence"),
    [
        ("refuse", TrainerFailed, r"diverged at step 2"),
        ("killed", TrainerDied, r"killed \(signal 9\)"),
        ("crash", TrainerDied, r"stopped with an error"),
    ],
)
def test_every_bad_end_has_a_sentence(
    folder: Path, fake_base: Path, behaviour: str, error: type[Exception], sentence: str
) -> None:
    behave(fake_base, behaviour)
    returncode = run(folder)
    with pytest.raises(error, match=sentence) as caught:
        result_of(folder, returncode=returncode)
    assert "secret" not in str(caught.value)


def test_one_process_takes_many_jobs_and_each_has_its_own_end(
    tmp_path: Path, fake_base: Path
) -> None:
    good, bad = (make_folder(tmp_path / f"job-{n}", fake_base, seed=n) for n in (1, 2))
    behave(fake_base, "refuse", seed=2)
    returncode = run(good, bad)
    assert result_of(good, returncode=returncode)["steps"] == 2
    with pytest.raises(TrainerFailed, match="diverged"):
        result_of(bad, returncode=returncode)
    assert (good / "pid").read_text() == (bad / "pid").read_text()


@pytest.mark.parametrize("word", [PAUSE, CANCEL])
def test_a_stopped_job_ends_and_the_others_go_on(
    tmp_path: Path, fake_base: Path, word: str
) -> None:
    stopped, other = (make_folder(tmp_path / f"job-{n}", fake_base, seed=n) for n in (1, 2))
    behave(fake_base, "hang", seed=1)
    jobs = [FollowedJob(stopped, lambda lines: word), FollowedJob(other, lambda lines: "")]
    returncode = run_trainer(jobs, module=FAKE)
    assert result_of(other, returncode=returncode)["steps"] == 2
    assert list(read_result(stopped) or {}) == [f"{word}{'d' if word == PAUSE else 'led'}"]


def test_a_trainer_with_cancelled_jobs_only_is_not_waited_for(
    folder: Path, fake_base: Path
) -> None:
    behave(fake_base, "deaf")
    assert run(folder, on_lines=lambda lines: CANCEL if lines else "") == -signal.SIGKILL


def test_a_paused_job_has_its_time_to_keep_where_it_is(folder: Path, fake_base: Path) -> None:
    behave(fake_base, "hang")
    run(folder, on_lines=lambda lines: PAUSE if lines else "")
    assert read_result(folder) == {"paused": True}


def test_a_trainer_that_does_not_pause_is_killed(
    folder: Path, fake_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.worker.child.STOP_SECONDS", 0.3)
    behave(fake_base, "deaf")
    assert run(folder, on_lines=lambda lines: PAUSE if lines else "") == -signal.SIGKILL


def test_a_trainer_that_takes_too_long_is_stopped_with_a_sentence(
    folder: Path, fake_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.worker.child.MAX_TRAINING_SECONDS", 1)
    behave(fake_base, "hang")
    with pytest.raises(TrainerFailed, match="took longer"):
        result_of(folder, returncode=run(folder))


def test_what_the_follower_raises_kills_the_trainer(folder: Path, fake_base: Path) -> None:
    behave(fake_base, "hang")

    def follow(lines: list[dict[str, Any]]) -> str:
        if lines:
            raise InterruptedError
        return ""

    with pytest.raises(InterruptedError):
        run(folder, on_lines=follow)
    assert not is_alive(int((folder / "pid").read_text()))


def test_a_trainer_ends_by_itself_when_its_worker_is_killed(tmp_path: Path) -> None:
    """The real watch of the trainers, without their model."""
    watch = "from training.trainers.watch import die_with; import os, threading"
    child = (
        f"{watch}; die_with(os.getppid()); print(os.getpid(), flush=True); threading.Event().wait()"
    )
    worker = (
        "import subprocess, sys; "
        f"subprocess.run([sys.executable, '-c', {child!r}], start_new_session=True)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", worker], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    trainer = int(process.stdout.readline())
    assert is_alive(trainer)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 60
    while is_alive(trainer) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(trainer)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"
