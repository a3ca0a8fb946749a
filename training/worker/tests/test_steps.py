import errno
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from agents.adapters.checks import WEIGHTS_FILE, check_adapter
from agents.adapters.store import adapter_folder, store_adapter
from agents.inference.client import AdapterRefused, InferenceUnavailable
from agents.models import Adapter, AgentVersion
from arena.environments.base import EnvironmentFault
from arena.models import Space
from training.gate.evaluate import GateInconclusive, GateUnjudged
from training.gate.record import GateRecord, gate_from_json
from training.gate.sitting import Contestants, Exam
from training.models import TrainingRun
from training.practice.rehearsal import DRAWN_BY_RUN, rehearsal_file
from training.runs.claiming import MAX_ATTEMPTS
from training.runs.starting import request_run
from training.runs.steering import use_version
from training.states import RunStatus
from training.tests.builders import (
    edit_prompt,
    make_agent,
    make_base,
    make_pairs_for,
    make_space,
    spec_of,
)
from training.tests.scripted import (
    PASSED,
    REFUSED,
    ScriptedBase,
    attempt_folder,
    behave,
    expire,
    fail_with,
    script_gate,
    script_runs,
)
from training.trainers.job import JOB_FILE, Job
from training.worker import steps
from training.worker.batch import train_due

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _scripted(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script_runs(settings, tmp_path, monkeypatch)


@pytest.fixture
def run(fake_base: Path) -> TrainingRun:
    make_base(str(fake_base))
    agent, space = make_agent(learning={"rank": 4, "alpha": 8}), make_space()
    make_pairs_for(agent, count=8, space=space)
    return request_run(agent.owner_id, agent_id=agent.id, space_id=space.id)


def finish(run: TrainingRun) -> TrainingRun:
    train_due()
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
    assert gate_from_json(run.gate) == PASSED
    assert run.reason.startswith("Adopted. On 64 held-out tasks")
    assert [point["step"] for point in run.curve] == [1, 2]
    assert run.progress["step"] == 2
    assert len(run.manifest["pairs"]) == 8
    assert len(run.manifest_digest) == 64
    job = Job.read(attempt_folder(run, 1) / JOB_FILE)
    rehearsed = Path(job.rehearsal_path).read_bytes()
    assert run.manifest["rehearsal"] == {
        "texts": DRAWN_BY_RUN,
        "sha256": hashlib.sha256(rehearsed).hexdigest(),
    }
    assert run.finished_at is not None


def test_nothing_is_drawn_for_a_run_that_does_not_rehearse(run: TrainingRun) -> None:
    TrainingRun.objects.filter(id=run.pk).update(config=run.config | {"rehearsal": 0.0})
    finish(run)
    assert run.status == RunStatus.ADOPTED
    assert ScriptedBase.asked == []
    assert run.manifest["rehearsal"] == {"texts": 0}
    assert Job.read(attempt_folder(run, 1) / JOB_FILE).rehearsal_path == ""


def test_a_run_whose_rehearsal_is_lost_does_not_train_without_it(
    run: TrainingRun, fake_base: Path
) -> None:
    behave(fake_base, "killed once")
    finish(run)
    assert run.status == RunStatus.TRAINING
    rehearsal_file(spec_of(run)).unlink()
    expire(run)
    finish(run)
    assert Job.read(attempt_folder(run, 2) / JOB_FILE).rehearsal_path == str(
        rehearsal_file(spec_of(run))
    )


def test_a_run_whose_base_is_away_waits_before_it_rehearses(run: TrainingRun) -> None:
    ScriptedBase.prompts = staticmethod(lambda number: InferenceUnavailable("gone"))
    finish(run)
    assert (run.status, run.attempts) == (RunStatus.TRAINING, 0)
    assert run.reason == "The run is waiting for the inference server: gone"


def test_both_versions_are_evaluated_with_the_agents_own_prompt(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Contestants] = []

    def look(contestants: Contestants) -> GateRecord:
        seen.append(contestants)
        return PASSED

    script_gate(monkeypatch, look)
    finish(run)
    (contestants,) = seen
    assert contestants.parent.name == "tiny"
    assert contestants.child.name == f"agent-{run.agent_id}.v2-{digest_of(run)[:12]}"
    assert contestants.child.adapter_folder is not None
    assert contestants.prompt == "Answer briefly."


def test_a_version_is_evaluated_by_the_space_as_it_is_after_training(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[int] = []

    def store(*given: Any, **named: Any) -> Adapter:
        Space.objects.filter(id=run.space_id).update(max_tokens=7)
        return store_adapter(*given, **named)

    async def evaluate(contestants: Contestants, *, own: Exam, **_: Any) -> GateRecord:
        limits.append(own.max_tokens)
        return PASSED

    monkeypatch.setattr(steps, "store_adapter", store)
    monkeypatch.setattr(steps, "evaluate", evaluate)
    finish(run)
    assert limits == [7]


def test_a_second_run_learns_on_from_the_first_ones_adapter(run: TrainingRun) -> None:
    finish(run)
    make_pairs_for(run.agent, count=8, space=run.space)
    run.agent.learning |= {"rank": 32}
    run.agent.save()
    second = request_run(run.agent.owner_id, agent_id=run.agent_id, space_id=run.space_id)
    assert (second.config["rank"], second.config["alpha"]) == (4, 8)
    train_due()
    second.refresh_from_db()
    assert second.manifest["parent"]["adapter"] == digest_of(run)


def test_a_worse_child_is_kept_and_does_not_play(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = run.agent.current_version
    script_gate(monkeypatch, lambda contestants: REFUSED)
    finish(run)
    assert run.status == RunStatus.REJECTED
    assert run.agent.current_version == parent
    assert run.child_version is not None
    assert run.reason.startswith("Not adopted. The new version is ")
    assert "0.200 (new) and 0.400 (parent)" in run.reason
    use_version(run.agent.owner_id, agent_id=run.agent_id, version_id=run.child_version.pk)


def test_an_edit_while_the_run_waits_is_what_it_learns_on(run: TrainingRun) -> None:
    edit_prompt(run)
    finish(run)
    assert run.status == RunStatus.ADOPTED
    assert run.agent.current_version == run.child_version
    assert run.child_version is not None
    assert run.child_version.prompt == "New."


def test_an_owner_who_changed_the_agent_meanwhile_decides(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def store(*given: Any, **named: Any) -> Adapter:
        edit_prompt(run)
        return store_adapter(*given, **named)

    monkeypatch.setattr(steps, "store_adapter", store)
    finish(run)
    assert run.status == RunStatus.REJECTED
    assert run.agent.current_version is not None
    assert run.agent.current_version.prompt == "New."
    assert "Activate version 3 by hand" in run.reason


@pytest.mark.parametrize(
    ("behaviour", "sentence"),
    [
        ("nan", "not finite numbers"),
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


@pytest.mark.parametrize(
    ("behaviour", "sentence"), [("killed", "signal 9"), ("crash", "stopped with an error")]
)
def test_a_trainer_that_keeps_dying_fails_the_run_after_the_last_attempt_only(
    run: TrainingRun, fake_base: Path, behaviour: str, sentence: str
) -> None:
    behave(fake_base, behaviour)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        finish(run)
        assert run.attempts == attempt
        assert sentence in run.reason
        assert run.lease_owner is None
        if behaviour == "crash" or attempt < MAX_ATTEMPTS:
            assert run.status == RunStatus.TRAINING
        expire(run)
    assert train_due() == 0
    run.refresh_from_db()
    assert run.status == RunStatus.FAILED
    assert run.reason.startswith("Training was given up after 3 interrupted attempts")
    assert sentence in run.reason


def test_a_trainer_that_was_killed_goes_on_from_its_checkpoint(
    run: TrainingRun, fake_base: Path
) -> None:
    behave(fake_base, "killed once")
    finish(run)
    assert [point["step"] for point in run.curve] == [1]
    expire(run)
    finish(run)
    assert run.status == RunStatus.ADOPTED
    assert [point["step"] for point in run.curve] == [1, 2]
    lines = (attempt_folder(run, 2) / "progress.jsonl").read_text().splitlines()
    steps = [json.loads(line).get("step") for line in lines]
    assert steps == [None, 1, None, 2], "step 1 is not redone"


def test_a_damaged_parent_adapter_is_not_learned_on(run: TrainingRun) -> None:
    finish(run)
    weights = adapter_folder(digest_of(run)) / WEIGHTS_FILE
    weights.write_bytes(weights.read_bytes()[:-10])
    make_pairs_for(run.agent, count=8, space=run.space)
    second = request_run(run.agent.owner_id, agent_id=run.agent_id, space_id=run.space_id)
    finish(second)
    assert second.status == RunStatus.FAILED
    assert "is damaged" in second.reason


def test_an_adapter_that_the_server_refuses_fails_the_run(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    script_gate(monkeypatch, fail_with(AdapterRefused("The inference server refused the adapter.")))
    finish(run)
    assert run.status == RunStatus.FAILED
    assert run.reason == "The inference server refused the adapter."


@pytest.mark.parametrize(
    ("fault", "sentence", "attempts"),
    [
        (InferenceUnavailable("gone"), "waiting for the inference server: gone", 1),
        (GateInconclusive("Only 2."), "waiting to be evaluated: Only 2.", 2),
        (GateUnjudged("Only 2."), "waiting to be evaluated: Only 2.", 1),
        (EnvironmentFault("The game broke."), "The game broke.", 2),
    ],
)
def test_an_infrastructure_fault_postpones_and_is_never_a_rejection(
    run: TrainingRun,
    monkeypatch: pytest.MonkeyPatch,
    fault: Exception,
    sentence: str,
    attempts: int,
) -> None:
    script_gate(monkeypatch, fail_with(fault))
    finish(run)
    assert run.status == RunStatus.EVALUATING
    assert run.lease_owner is None
    assert sentence in run.reason
    script_gate(monkeypatch, lambda contestants: PASSED)
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
        patch.setattr(steps, "make_dataset", write)
        finish(run)
    assert run.status == RunStatus.TRAINING
    assert "No space left on device" in run.reason
    expire(run)
    finish(run)
    assert run.status == RunStatus.ADOPTED


def test_an_adapter_that_finds_no_room_in_the_store_is_not_trained_again(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", copy)
        finish(run)
    assert run.status == RunStatus.TRAINING
    assert "No space left on device" in run.reason
    assert run.attempts == 0, "a full disk is an outage"
    expire(run)
    finish(run)
    assert run.status == RunStatus.ADOPTED
    assert not attempt_folder(run, 2).exists()
