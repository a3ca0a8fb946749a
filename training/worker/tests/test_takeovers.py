"""What becomes of a run whose worker dies, or that another worker takes over."""

import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from agents.adapters.store import store_adapter
from agents.models import AgentVersion
from arena.models import Space
from training.gate.formats import format_1_of
from training.models import TrainingRun
from training.runs.claiming import claim_next
from training.runs.lease import Lease
from training.runs.starting import request_run
from training.runs.steering import cancel_run, pause_run, resume_run
from training.states import RunStatus
from training.tests.builders import make_agent, make_base, make_pairs_for, make_space
from training.tests.scripted import (
    PASSED,
    REFUSED,
    attempt_folder,
    behave,
    expire,
    script_gate,
    script_runs,
)
from training.worker import batch, steps
from training.worker.batch import train_due
from training.worker.steps import prepare

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _scripted(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script_runs(settings, tmp_path, monkeypatch)


@pytest.fixture
def run(fake_base: Path) -> TrainingRun:
    make_base(str(fake_base))
    return make_run(make_space())


def make_run(space: Space) -> TrainingRun:
    agent = make_agent(learning={"rank": 4, "alpha": 8})
    make_pairs_for(agent, count=8, space=space)
    return request_run(agent.owner_id, agent_id=agent.id, space_id=space.id)


def finish(run: TrainingRun) -> TrainingRun:
    train_due()
    run.refresh_from_db()
    return run


def test_a_run_whose_worker_died_after_training_is_not_trained_again(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch, fake_base: Path
) -> None:
    """The worker dies between the trainer's end and its record."""

    def die(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(steps, "store_adapter", die)
        with pytest.raises(KeyboardInterrupt):
            train_due()
    behave(fake_base, "crash")
    expire(run)
    finish(run)
    assert run.status == RunStatus.ADOPTED


@pytest.mark.parametrize("victim", ["apply_event", "activate_child"])
def test_a_worker_may_die_at_any_later_line_and_the_run_goes_on(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch, victim: str
) -> None:
    def die(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(steps, victim, die)
        with pytest.raises(KeyboardInterrupt):
            train_due()
    expire(run)
    finish(run)
    assert run.status == RunStatus.ADOPTED
    assert AgentVersion.objects.filter(agent=run.agent).count() == 2, "no version twice"


def test_a_run_that_is_cancelled_while_its_weights_are_stored_leaves_no_version(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cancelled_meanwhile(*given: Any, **named: Any) -> Any:
        cancel_run(run.agent.owner_id, run_id=run.pk)
        return store_adapter(*given, **named)

    monkeypatch.setattr(steps, "store_adapter", cancelled_meanwhile)
    assert finish(run).status == RunStatus.CANCELLED
    assert AgentVersion.objects.filter(agent=run.agent).count() == 1


@pytest.mark.parametrize("stored", [PASSED.as_json(), format_1_of(PASSED.as_json())])
def test_the_gate_is_asked_once_even_if_the_worker_dies_after_it(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch, stored: dict[str, Any]
) -> None:
    def die(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(steps, "activate_child", die)
        with pytest.raises(KeyboardInterrupt):
            train_due()
    TrainingRun.objects.filter(id=run.pk).update(gate=stored)
    script_gate(monkeypatch, lambda contestants: REFUSED)
    expire(run)
    assert finish(run).status == RunStatus.ADOPTED


def test_a_run_held_by_another_worker_is_left_alone(run: TrainingRun) -> None:
    TrainingRun.objects.filter(id=run.pk).update(
        lease_owner=uuid.uuid4(), lease_expires_at=timezone.now() + timedelta(minutes=1)
    )
    assert finish(run).status == RunStatus.QUEUED


@pytest.mark.django_db(transaction=True)
def test_a_run_that_another_worker_took_before_its_turn_keeps_its_checkpoint(
    run: TrainingRun, fake_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    behave(fake_base, "killed once")
    train_due()
    expire(run)
    behave(fake_base, "learn")
    first = make_run(run.space)
    held: list[Lease | None] = []

    def meanwhile(lease: Lease, spec: Any, leases: Any, **turn: Any) -> Path | None:
        if lease.run_id == first.pk:
            pause_run(run.agent.owner_id, run_id=run.pk)
            resume_run(run.agent.owner_id, run_id=run.pk)
            held.append(claim_next())
        return prepare(lease, spec, leases, **turn)

    monkeypatch.setattr(batch, "ASKING_AT_ONCE", 1)
    monkeypatch.setattr(batch, "prepare", meanwhile)
    assert train_due() == 2
    first.refresh_from_db()
    run.refresh_from_db()
    assert first.status == RunStatus.ADOPTED
    assert [lease and lease.owner for lease in held] == [run.lease_owner]
    assert (attempt_folder(run, 1) / "checkpoint").is_dir()
    assert not attempt_folder(run, 2).exists()
