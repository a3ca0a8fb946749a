import errno
import os
import signal
import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from agents.adapters import WEIGHTS_FILE, adapter_folder, check_adapter
from agents.inference import AdapterRefused, InferenceUnavailable
from agents.models import AgentVersion
from agents.roster import activate_version, edit_agent
from training import execute
from training.execute import MAX_CURVE_POINTS, execute_run, thinned
from training.gate import Contestants, GateInconclusive
from training.job_state import RunStatus
from training.jobs import cancel_run, request_run
from training.lease import renew
from training.models import TrainingRun
from training.tests.builders import make_agent, make_base, make_pairs_for, make_space

pytestmark = pytest.mark.django_db

FIGURES: dict[str, Any] = {
    "tasks": 64,
    "parent": {"mean": 0.2, "passed": 10},
    "child": {"mean": 0.4, "passed": 20},
    "difference": 0.2,
    "lower_bound": 0.1,
    "confidence": 0.9,
    "margin": 0.05,
    "adopted": True,
    "examples": [],
}

Gate = Callable[[Contestants], dict[str, Any]]


@pytest.fixture(autouse=True)
def _apart(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.RUN_STORE = tmp_path / "runs"
    settings.ADAPTER_STORE = tmp_path / "adapters"
    monkeypatch.setattr("training.tasks.run_training.delay", lambda run_id: None)
    monkeypatch.setattr(execute, "TRAINERS", {"dpo": "training.tests.fake_trainer"})
    judge(monkeypatch, lambda contestants: FIGURES)


@pytest.fixture
def run(fake_base: Path) -> TrainingRun:
    make_base(str(fake_base))
    agent, space = make_agent(learning={"rank": 4, "alpha": 8}), make_space()
    make_pairs_for(agent, count=8, space=space)
    return request_run(agent.id, space.id)


def judge(monkeypatch: pytest.MonkeyPatch, gate: Gate) -> None:
    """Put a scripted gate in the place of the inference servers."""

    async def evaluate(contestants: Contestants, **_: Any) -> dict[str, Any]:
        return gate(contestants)

    monkeypatch.setattr(execute, "evaluate", evaluate)


def fail_with(error: Exception) -> Gate:
    def gate(contestants: Contestants) -> dict[str, Any]:
        raise error

    return gate


def behave(fake_base: Path, behaviour: str) -> None:
    (fake_base / "behaviour").write_text(behaviour)


def expire(run: TrainingRun) -> None:
    past = timezone.now() - timedelta(seconds=1)
    TrainingRun.objects.filter(id=run.pk).update(lease_expires_at=past)


def finish(run: TrainingRun) -> TrainingRun:
    execute_run(run.pk)
    run.refresh_from_db()
    run.agent.refresh_from_db()
    return run


def digest_of(run: TrainingRun) -> str:
    assert run.child_version is not None
    assert run.child_version.adapter is not None
    return run.child_version.adapter.digest


def test_a_better_child_becomes_the_current_version(run: TrainingRun, fake_base: Path) -> None:
    parent = run.agent.current_version
    finish(run)
    child = run.child_version
    assert run.status == RunStatus.ADOPTED
    assert child is not None
    assert child.adapter is not None
    assert run.agent.current_version == child
    assert (child.number, child.parent, child.prompt) == (2, parent, "Answer briefly.")
    folder = adapter_folder(child.adapter.digest, verify=True)
    assert check_adapter(folder, base_folder=fake_base).rank == 4
    assert run.gate == FIGURES
    assert run.reason.startswith("Adopted: on 64 held-out tasks")
    assert [point["step"] for point in run.curve] == [1, 2]
    assert run.progress["step"] == 2
    assert len(run.manifest["pairs"]) == 8
    assert len(run.manifest_digest) == 64
    assert run.finished_at is not None


def test_both_versions_are_evaluated_with_the_agents_own_prompt(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Contestants] = []

    def look(contestants: Contestants) -> dict[str, Any]:
        seen.append(contestants)
        return FIGURES

    judge(monkeypatch, look)
    finish(run)
    (contestants,) = seen
    assert contestants.parent.name == "tiny"
    assert contestants.child.name == f"agent-{run.agent_id}.v2-{digest_of(run)[:12]}"
    assert contestants.child.adapter_folder is not None
    assert contestants.prompt == "Answer briefly."


def test_a_second_run_learns_on_from_the_first_ones_adapter(run: TrainingRun) -> None:
    finish(run)
    make_pairs_for(run.agent, count=8, space=run.space)
    run.agent.learning = {"rank": 32}
    run.agent.save()
    second = request_run(run.agent_id, run.space_id)
    assert (second.config["rank"], second.config["alpha"]) == (4, 8)
    execute_run(second.pk)
    second.refresh_from_db()
    assert second.manifest["parent"]["adapter"] == digest_of(run)


def test_a_worse_child_is_kept_and_does_not_play(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = run.agent.current_version
    judge(monkeypatch, lambda contestants: FIGURES | {"adopted": False})
    finish(run)
    assert run.status == RunStatus.REJECTED
    assert run.agent.current_version == parent
    assert run.child_version is not None
    assert "0.400 (new) and 0.200 (parent)" in run.reason
    activate_version(run.agent_id, run.child_version.pk)


def test_an_owner_who_changed_the_agent_meanwhile_decides(run: TrainingRun) -> None:
    edit_agent(run.agent_id, prompt="New.", sampling=run.parent_version.sampling)
    finish(run)
    assert run.status == RunStatus.REJECTED
    assert run.agent.current_version is not None
    assert run.agent.current_version.prompt == "New."
    assert "activate version 3 by hand" in run.reason


@pytest.mark.parametrize(
    ("behaviour", "sentence"),
    [
        ("nan", "not finite numbers"),
        ("killed", "signal 9"),
        ("crash", "stopped with an error"),
        ("refuse", "diverged"),
    ],
)
def test_a_training_that_fails_says_why_and_leaves_the_parent(
    run: TrainingRun, fake_base: Path, behaviour: str, sentence: str
) -> None:
    parent = run.agent.current_version
    behave(fake_base, behaviour)
    finish(run)
    assert run.status == RunStatus.FAILED
    assert sentence in run.reason
    assert run.agent.current_version == parent
    assert AgentVersion.objects.filter(agent=run.agent).count() == 1


def test_a_damaged_parent_adapter_is_not_learned_on(run: TrainingRun) -> None:
    finish(run)
    weights = adapter_folder(digest_of(run)) / WEIGHTS_FILE
    weights.write_bytes(weights.read_bytes()[:-10])
    make_pairs_for(run.agent, count=8, space=run.space)
    second = request_run(run.agent_id, run.space_id)
    finish(second)
    assert second.status == RunStatus.FAILED
    assert "is damaged" in second.reason


def test_an_adapter_that_the_server_refuses_fails_the_run(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge(monkeypatch, fail_with(AdapterRefused("The inference server refused the adapter.")))
    finish(run)
    assert run.status == RunStatus.FAILED
    assert run.reason == "The inference server refused the adapter."


@pytest.mark.parametrize(
    ("fault", "attempts"), [(InferenceUnavailable("gone"), 1), (GateInconclusive("Only 2."), 2)]
)
def test_an_infrastructure_fault_postpones_and_is_never_a_rejection(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch, fault: Exception, attempts: int
) -> None:
    judge(monkeypatch, fail_with(fault))
    finish(run)
    assert run.status == RunStatus.EVALUATING
    assert run.lease_owner is None
    assert "waits for its evaluation" in run.reason
    judge(monkeypatch, lambda contestants: FIGURES)
    expire(run)
    finish(run)
    assert (run.status, run.attempts) == (RunStatus.ADOPTED, attempts)
    assert AgentVersion.objects.filter(agent=run.agent).count() == 2


def test_a_full_disk_is_named_and_the_run_goes_on_when_there_is_room(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(execute, "write_dataset", write)
        finish(run)
    assert run.status == RunStatus.TRAINING
    assert "No space left on device" in run.reason
    expire(run)
    finish(run)
    assert run.status == RunStatus.ADOPTED


def test_a_run_whose_worker_died_after_training_is_not_trained_again(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch, fake_base: Path
) -> None:
    """The worker dies between the trainer's end and its record."""

    def die(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(execute, "store_adapter", die)
        with pytest.raises(KeyboardInterrupt):
            execute_run(run.pk)
    behave(fake_base, "crash")
    expire(run)
    finish(run)
    assert (run.status, run.attempts) == (RunStatus.ADOPTED, 2)


@pytest.mark.parametrize("victim", ["move_run", "activate_child"])
def test_a_worker_may_die_at_any_later_line_and_the_run_goes_on(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch, victim: str
) -> None:
    def die(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(execute, victim, die)
        with pytest.raises(KeyboardInterrupt):
            execute_run(run.pk)
    expire(run)
    finish(run)
    assert run.status == RunStatus.ADOPTED
    assert AgentVersion.objects.filter(agent=run.agent).count() == 2, "no version twice"


def test_the_gate_is_asked_once_even_if_the_worker_dies_after_it(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(execute, "activate_child", die)
        with pytest.raises(KeyboardInterrupt):
            execute_run(run.pk)
    judge(monkeypatch, lambda contestants: FIGURES | {"adopted": False})
    expire(run)
    assert finish(run).status == RunStatus.ADOPTED


def test_a_trainer_killed_in_the_middle_fails_the_run_with_a_sentence(
    run: TrainingRun, fake_base: Path, settings: Any
) -> None:
    behave(fake_base, "hang")
    pid_file = Path(settings.RUN_STORE) / str(run.pk) / "attempt-1" / "pid"

    def kill() -> None:
        while not pid_file.exists() or not pid_file.read_text():
            waiting.wait(0.05)
        os.kill(int(pid_file.read_text()), signal.SIGKILL)

    waiting = threading.Event()
    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    finish(run)
    assert run.status == RunStatus.FAILED
    assert "killed (signal 9)" in run.reason


def test_a_cancelled_run_stops_its_trainer(
    run: TrainingRun, fake_base: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    behave(fake_base, "hang")

    def cancel_then_renew(lease: Any) -> None:
        cancel_run(run.pk)
        monkeypatch.setattr(execute, "renew", renew)
        renew(lease)

    monkeypatch.setattr(execute, "renew", cancel_then_renew)
    finish(run)
    assert run.status == RunStatus.CANCELLED
    pid = int((Path(settings.RUN_STORE) / str(run.pk) / "attempt-1" / "pid").read_text())
    assert not Path(f"/proc/{pid}").exists()


def test_a_run_held_by_another_worker_is_left_alone(run: TrainingRun) -> None:
    TrainingRun.objects.filter(id=run.pk).update(
        lease_owner=uuid.uuid4(), lease_expires_at=timezone.now() + timedelta(minutes=1)
    )
    assert finish(run).status == RunStatus.QUEUED


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    curve = [{"step": step} for step in range(5 * MAX_CURVE_POINTS)]
    short = thinned(curve)
    assert len(short) <= MAX_CURVE_POINTS
    assert (short[0], short[-1]) == (curve[0], curve[-1])
