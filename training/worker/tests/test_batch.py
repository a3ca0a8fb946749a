"""Several runs in one trainer process, and what deaths, pauses and cancels leave of them."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from arena.config.env import REPOSITORY
from arena.models import Space
from training.models import TrainingRun
from training.runs.attempts import TIDY_AFTER, tidy_runs
from training.runs.starting import request_run
from training.runs.steering import cancel_run, pause_run, resume_run
from training.states import RunStatus
from training.tasks import run_training
from training.tests.builders import FIRST_ID, make_agent, make_base, make_pairs_for, make_space
from training.tests.scripted import attempt_folder, behave, expire, script_runs
from training.trainers.job import read_result
from training.worker import batch
from training.worker.batch import train_due
from training.worker.child import run_trainer
from training.worker.steps import judge, prepare

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE_SECONDS = 120
WORKER = """
import sys
from functools import partial
from pathlib import Path
import django
from django.conf import settings
settings.DATABASES["default"]["NAME"] = sys.argv[1]
settings.RUN_STORE, settings.ADAPTER_STORE = map(Path, sys.argv[2:])
django.setup()
from training.worker import batch, child
from training.practice import rehearsal
from training.tests.scripted import ScriptedBase
ScriptedBase.reset()
rehearsal.Inference = ScriptedBase
child.POLL_SECONDS = 0.1
batch.run_trainer = partial(child.run_trainer, module="training.tests.fake_trainer")
batch.train_due()
"""


@pytest.fixture(autouse=True)
def _scripted(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script_runs(settings, tmp_path, monkeypatch)


@pytest.fixture
def space(fake_base: Path) -> Space:
    make_base(str(fake_base))
    return make_space()


def make_run(space: Space, *, seed: int = 0, **learning: Any) -> TrainingRun:
    agent = make_agent(learning={"rank": 4, "alpha": 8, "seed": seed, **learning})
    make_pairs_for(agent, count=8, space=space)
    return request_run(agent.owner_id, agent_id=agent.id, space_id=space.id)


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


def alongside(call: Callable[[], object]) -> Thread:
    """The call in a thread with a connection of its own."""

    def run() -> None:
        try:
            call()
        finally:
            connection.close()

    thread = Thread(target=run, daemon=True)
    thread.start()
    return thread


def has_step(run: TrainingRun, attempt: int = 1) -> Callable[[], bool]:
    checkpoint = attempt_folder(run, attempt) / "checkpoint" / "step"
    return lambda: checkpoint.exists() and bool(checkpoint.read_text())


def steps_of(run: TrainingRun) -> list[int]:
    return [point["step"] for point in run.curve]


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


# --- together ------------------------------------------------------------------------------


def test_waiting_runs_share_one_process_and_each_has_its_own_end(
    space: Space, fake_base: Path
) -> None:
    good, bad, other = (make_run(space, seed=seed) for seed in (1, 2, 3))
    behave(fake_base, "refuse", seed=2)
    assert train_due() == 3
    for run in (good, bad, other):
        run.refresh_from_db()
    assert [good.status, bad.status, other.status] == ["adopted", "failed", "adopted"]
    assert "diverged" in bad.reason
    pids = {(attempt_folder(run, 1) / "pid").read_text() for run in (good, bad, other)}
    assert len(pids) == 1


def test_a_run_with_nothing_to_learn_from_keeps_no_other_from_training(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty, other = make_run(space), make_run(space)
    empty.agent.pairs.all().delete()
    train_due()
    for run in (empty, other):
        run.refresh_from_db()
    assert (empty.status, other.status) == (RunStatus.FAILED, RunStatus.ADOPTED)
    assert empty.reason == "There are no pairs to learn from."


def test_a_run_of_a_method_that_is_gone_fails_with_a_sentence_and_stops_no_worker(
    space: Space,
) -> None:
    gone, other = make_run(space), make_run(space)
    TrainingRun.objects.filter(id=gone.pk).update(
        method="gone", config=gone.config | {"method": "gone"}
    )
    while train_due():
        pass
    for run in (gone, other):
        run.refresh_from_db()
    assert (gone.status, other.status) == (RunStatus.FAILED, RunStatus.ADOPTED)
    assert "Method must be one of" in gone.reason


def test_an_error_of_our_own_in_one_run_is_put_off_and_keeps_no_other_from_its_end(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, other = make_run(space), make_run(space)

    def sometimes(lease: Any, spec: Any, leases: Any, **turn: Any) -> Path | None:
        if lease.run_id == broken.pk:
            raise KeyError("a bug")
        return prepare(lease, spec, leases, **turn)

    monkeypatch.setattr(batch, "prepare", sometimes)
    train_due()
    for run in (broken, other):
        run.refresh_from_db()
    assert (broken.status, other.status) == (RunStatus.TRAINING, RunStatus.ADOPTED)
    assert broken.reason == "The training machine hit an error; its log has the details."
    assert broken.lease_owner is None


def test_a_full_disk_at_the_start_of_the_process_puts_all_its_runs_off(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [make_run(space) for _ in range(2)]

    def no_room(*_: Any, **__: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(batch, "run_trainer", no_room)
        train_due()
    for run in runs:
        run.refresh_from_db()
        assert run.status == RunStatus.TRAINING
        assert "No space left on device" in run.reason
        expire(run)
    train_due()
    for run in runs:
        run.refresh_from_db()
        assert run.status == RunStatus.ADOPTED


def test_an_evaluation_keeps_the_leases_of_the_runs_that_wait_for_theirs(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = make_run(space), make_run(space)
    kept: list[bool] = []
    looked = Event()

    def slowly(lease: Any, spec: Any, leases: Any) -> None:
        if lease.run_id == first.pk:
            expire(second)
            leases.keep(lease)
            second.refresh_from_db()
            kept.append(bool(second.lease_expires_at and second.lease_expires_at > timezone.now()))
            looked.set()
        else:
            assert looked.wait(60)  # it may have trained first
        judge(lease, spec, leases)

    monkeypatch.setattr(batch, "judge", slowly)
    assert train_due() == 2
    assert kept == [True]


# --- owners' words -------------------------------------------------------------------------


def test_a_paused_run_leaves_the_process_and_goes_on_from_where_it_was(
    space: Space, fake_base: Path
) -> None:
    run, other = make_run(space, seed=1), make_run(space, seed=2)
    behave(fake_base, "hang", seed=1)
    worker = alongside(train_due)
    until(has_step(run))
    pause_run(run.agent.owner_id, run_id=run.pk)
    worker.join(timeout=PATIENCE_SECONDS)
    for each in (run, other):
        each.refresh_from_db()
    assert (run.status, other.status) == (RunStatus.PAUSED, RunStatus.ADOPTED)
    assert read_result(attempt_folder(run, 1)) == {"paused": True}
    assert train_due() == 0

    behave(fake_base, "learn", seed=1)
    resume_run(run.agent.owner_id, run_id=run.pk)
    train_due()
    run.refresh_from_db()
    assert (run.status, steps_of(run)) == (RunStatus.ADOPTED, [1, 2])
    assert not (attempt_folder(run, 1) / "checkpoint").exists(), "it moved on with the run"


def test_a_cancelled_run_stops_its_trainer(space: Space, fake_base: Path) -> None:
    run = make_run(space)
    behave(fake_base, "deaf")
    worker = alongside(train_due)
    until(has_step(run))
    cancel_run(run.agent.owner_id, run_id=run.pk)
    worker.join(timeout=PATIENCE_SECONDS)
    run.refresh_from_db()
    assert run.status == RunStatus.CANCELLED
    assert not is_alive(int((attempt_folder(run, 1) / "pid").read_text()))


# --- deaths --------------------------------------------------------------------------------


def test_a_trainer_killed_from_outside_puts_its_unfinished_runs_off(
    space: Space, fake_base: Path
) -> None:
    hanging, done = make_run(space, seed=1), make_run(space, seed=2)
    behave(fake_base, "hang", seed=1)
    worker = alongside(train_due)
    until(lambda: TrainingRun.objects.get(id=done.pk).status == RunStatus.ADOPTED)
    hanging.refresh_from_db()
    assert hanging.status == RunStatus.TRAINING, "who has trained waits for nobody"
    os.kill(int((attempt_folder(hanging, 1) / "pid").read_text()), signal.SIGKILL)
    worker.join(timeout=PATIENCE_SECONDS)
    for run in (hanging, done):
        run.refresh_from_db()
    assert (hanging.status, done.status) == (RunStatus.TRAINING, RunStatus.ADOPTED)
    assert hanging.reason == ("The trainer was killed (signal 9), often because memory ran out.")
    behave(fake_base, "learn", seed=1)
    expire(hanging)
    train_due()
    hanging.refresh_from_db()
    assert (hanging.status, steps_of(hanging)) == (RunStatus.ADOPTED, [1, 2])


@pytest.mark.slow
def test_runs_of_a_killed_worker_go_on_from_their_checkpoints(
    space: Space, fake_base: Path, settings: Any
) -> None:
    runs = [make_run(space, seed=seed) for seed in (1, 2)]
    behave(fake_base, "hang")
    worker = subprocess.Popen(
        [
            sys.executable,
            "-c",
            WORKER,
            connection.settings_dict["NAME"],
            str(settings.RUN_STORE),
            str(settings.ADAPTER_STORE),
        ],
        cwd=REPOSITORY,
    )
    try:
        until(lambda: all(has_step(run)() for run in runs))
    finally:
        worker.kill()
        worker.wait()
    trainer = int((attempt_folder(runs[0], 1) / "pid").read_text())
    os.kill(trainer, signal.SIGKILL)  # the fake one does not watch its worker
    behave(fake_base, "learn")
    for run in runs:
        run.refresh_from_db()
        assert run.status == RunStatus.TRAINING
        expire(run)
    assert train_due() == 2
    for run in runs:
        run.refresh_from_db()
        assert (run.status, run.attempts) == (RunStatus.ADOPTED, 1), "it got further"
        assert steps_of(run) == [1, 2]


def test_attempts_that_bring_a_run_further_are_not_counted_against_it(
    space: Space, fake_base: Path
) -> None:
    """Every restart of the site breaks a long run off."""
    run = make_run(space)
    behave(fake_base, "killed")
    for attempts in (1, 2):
        train_due()
        run.refresh_from_db()
        assert (run.status, run.attempts, run.progress["step"]) == ("training", attempts, 1)
        expire(run)
    behave(fake_base, "hang at 2")
    worker = alongside(train_due)
    until(lambda: TrainingRun.objects.get(id=run.pk).progress["step"] == 2)
    run.refresh_from_db()
    assert run.attempts == 1
    pause_run(run.agent.owner_id, run_id=run.pk)
    worker.join(timeout=PATIENCE_SECONDS)


def test_a_worker_that_is_to_stop_takes_no_more_runs(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = make_run(space, seed=1), make_run(space, seed=2)
    monkeypatch.setattr(settings.ENV, "training_together", 1)

    def told_to_stop() -> int:
        monkeypatch.setattr("celery.worker.state.should_stop", 0)
        return train_due()

    monkeypatch.setattr(batch, "train_due", told_to_stop)
    run_training(first.pk)
    assert sorted(
        TrainingRun.objects.filter(id__in=[first.pk, second.pk]).values_list("status", flat=True)
    ) == ["adopted", "queued"]
    monkeypatch.setattr("celery.worker.state.should_stop", None)
    monkeypatch.setattr(batch, "train_due", train_due)
    run_training(second.pk)
    second.refresh_from_db()
    assert second.status == RunStatus.ADOPTED


def test_what_only_a_live_run_needs_is_removed_when_it_has_ended_a_while_ago(space: Space) -> None:
    ended, live = make_run(space, seed=1), make_run(space, seed=2)
    train_due()
    TrainingRun.objects.filter(id=live.pk).update(status=RunStatus.EVALUATING)
    folders = [attempt_folder(run, 1) for run in (ended, live)]
    tidy_runs()
    assert all((folder / "adapter").is_dir() for folder in folders), "it has only just ended"
    TrainingRun.objects.update(finished_at=timezone.now() - 2 * TIDY_AFTER)
    tidy_runs()
    assert [(folder / "adapter").is_dir() for folder in folders] == [False, True]
    assert [(folder / "checkpoint").is_dir() for folder in folders] == [False, True]
    assert all(read_result(folder) for folder in folders)


# --- with the real trainer -----------------------------------------------------------------


@pytest.mark.slow
def test_the_trainer_takes_what_a_worker_hands_it(
    fake_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.trainers.tests.builders import save_tiny_base  # noqa: PLC0415 torch takes seconds

    monkeypatch.setattr(batch, "run_trainer", run_trainer)
    save_tiny_base(fake_base, vocabulary=FIRST_ID + 256)
    make_base(str(fake_base))
    space = make_space()
    runs = [make_run(space, seed=seed, precision="bf16", epochs=1) for seed in (1, 2)]
    assert train_due() == 2
    for run in runs:
        run.refresh_from_db()
        assert (run.status, run.reason[:8]) == (RunStatus.ADOPTED, "Adopted.")
        assert steps_of(run) == [1, 2]
        assert run.progress["result"]["steps"] == 2
        assert "drift" not in run.progress["result"]
