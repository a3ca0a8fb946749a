import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from arena.config.env import REPOSITORY
from training.child import TrainerFailed, run_trainer
from training.configs import DPOConfig
from training.trainers.job import Job, read_result

FAKE = "training.tests.fake_trainer"


@pytest.fixture
def folder(tmp_path: Path, fake_base: Path) -> Path:
    folder = tmp_path / "attempt"
    folder.mkdir()
    make_job(fake_base).write(folder)
    return folder


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


def behave(fake_base: Path, behaviour: str) -> None:
    (fake_base / "behaviour").write_text(behaviour)


def test_a_job_is_the_same_after_toml(tmp_path: Path, fake_base: Path) -> None:
    job = make_job(fake_base)
    assert Job.read(job.write(tmp_path)) == job


def test_a_result_that_is_not_wholly_there_is_none(tmp_path: Path) -> None:
    assert read_result(tmp_path) is None
    (tmp_path / "result.json").write_text('{"steps": ')
    assert read_result(tmp_path) is None


def test_progress_comes_line_by_line_and_the_result_at_the_end(folder: Path) -> None:
    lines: list[dict[str, Any]] = []
    result = run_trainer(folder, module=FAKE, on_lines=lines.extend)
    assert [line.get("step") for line in lines] == [None, 1, 2]
    assert result == {"steps": 2, "loss_first": 1.0, "loss_last": 0.5}


def test_a_trainer_inherits_no_secret_and_no_network(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "s3cret")
    monkeypatch.setenv("VLLM_API_KEY", "s3cret")
    run_trainer(folder, module=FAKE, on_lines=lambda lines: None)
    environ = json.loads((folder / "environ.json").read_text())
    assert "s3cret" not in environ.values()
    assert "DATABASE_URL" not in environ
    assert environ["HF_HUB_OFFLINE"] == "1"


@pytest.mark.parametrize(
    ("behaviour", "sentence"),
    [
        ("refuse", r"diverged at step 2"),
        ("killed", r"killed \(signal 9\).*parent version stays"),
        ("crash", r"stopped with an error.*parent version stays"),
    ],
)
def test_every_bad_end_has_a_sentence(
    folder: Path, fake_base: Path, behaviour: str, sentence: str
) -> None:
    behave(fake_base, behaviour)
    with pytest.raises(TrainerFailed, match=sentence) as caught:
        run_trainer(folder, module=FAKE, on_lines=lambda lines: None)
    assert "secret" not in str(caught.value)


def test_what_the_follower_raises_kills_the_trainer(folder: Path, fake_base: Path) -> None:
    behave(fake_base, "hang")

    def follow(lines: list[dict[str, Any]]) -> None:
        if lines:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        run_trainer(folder, module=FAKE, on_lines=follow)
    assert not is_alive(int((folder / "pid").read_text()))


def test_a_trainer_ends_by_itself_when_its_worker_is_killed(tmp_path: Path) -> None:
    """The real watch of training.trainers.dpo, without its model."""
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
    deadline = time.monotonic() + 10
    while is_alive(trainer) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(trainer)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"
