"""Runs that learn from groups: practice before the dataset, in the worker's own process."""

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from agents.inference.client import InferenceUnavailable
from training.data.dataset import MANIFEST_FORMAT
from training.models import TrainingRun
from training.runs.claiming import waiting_runs
from training.runs.spec import RunSpec
from training.runs.starting import request_run
from training.runs.steering import pause_run
from training.states import RunStatus
from training.tests.builders import make_agent, make_base, make_pairs_for, make_space
from training.tests.scripted import behave, expire, script_runs
from training.worker import batch, steps
from training.worker.batch import train_due

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _scripted(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script_runs(settings, tmp_path, monkeypatch)


@pytest.fixture
def run(fake_base: Path, monkeypatch: pytest.MonkeyPatch) -> TrainingRun:
    """What practice and the dataset are is tested with them."""
    monkeypatch.setattr(steps, "make_dataset", write_nothing)
    make_base(str(fake_base))
    agent, space = make_agent(learning={"rank": 4, "alpha": 8, "method": "grpo"}), make_space()
    make_pairs_for(agent, count=8, space=space)
    return request_run(agent.owner_id, agent_id=agent.id, space_id=space.id)


def write_nothing(spec: RunSpec) -> dict[str, Any]:
    spec.folder.mkdir(parents=True, exist_ok=True)
    (spec.folder / "dataset.jsonl").write_text("")
    return {"format": MANIFEST_FORMAT, "method": spec.run.method}


def finish(run: TrainingRun) -> None:
    train_due()
    run.refresh_from_db()


def script_practice(
    monkeypatch: pytest.MonkeyPatch, *, fault: Callable[[TrainingRun], None] = lambda run: None
) -> list[int]:
    """Runs that practised; `fault` happens between two heartbeats."""
    practised: list[int] = []

    async def practise(spec: RunSpec, *, heartbeat: Any) -> None:
        await heartbeat("Practising: 1 of 2.")
        practised.append(spec.run.pk)
        await sync_to_async(fault)(spec.run)
        await heartbeat("Practising: 2 of 2.")

    monkeypatch.setattr(steps, "practise", practise)
    return practised


def test_a_run_in_groups_practises_once_before_its_dataset_is_written(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch, fake_base: Path
) -> None:
    practised = script_practice(monkeypatch)
    behave(fake_base, "killed once")
    finish(run)
    assert run.progress["stage"] == "training"
    expire(run)
    finish(run)
    assert run.status == RunStatus.ADOPTED
    assert run.manifest == {"format": MANIFEST_FORMAT, "method": "grpo"}
    assert practised == [run.pk]


def test_a_run_in_pairs_does_not_practise(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    practised = script_practice(monkeypatch)
    agent = make_agent(learning={"rank": 4, "alpha": 8})
    make_pairs_for(agent, count=8, space=run.space)
    pairs_run = request_run(agent.owner_id, agent_id=agent.id, space_id=run.space_id)
    assert train_due() == 2
    pairs_run.refresh_from_db()
    assert pairs_run.status == RunStatus.ADOPTED
    assert practised == [run.pk]


def test_practice_says_how_far_it_is_and_stops_when_its_run_is_paused(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    script_practice(monkeypatch, fault=lambda run: pause_run(run.agent.owner_id, run_id=run.pk))
    finish(run)
    assert run.status == RunStatus.PAUSED
    assert run.progress == {"stage": "Practising: 1 of 2."}
    assert run.manifest == {}


def test_practice_without_a_server_waits_and_costs_no_attempt(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(run: TrainingRun) -> None:
        raise InferenceUnavailable("gone")

    script_practice(monkeypatch, fault=fail)
    finish(run)
    assert (run.status, run.attempts) == (RunStatus.TRAINING, 0)
    assert run.reason == "The run is waiting for the inference server: gone"


def test_practice_past_its_time_makes_room_for_who_waits_and_keeps_its_price(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = make_agent(learning={"rank": 4, "alpha": 8})
    make_pairs_for(agent, count=8, space=run.space)

    def come(run: TrainingRun) -> None:
        request_run(agent.owner_id, agent_id=agent.id, space_id=run.space_id)
        TrainingRun.objects.filter(id=run.pk).update(served_seconds=900.0)

    script_practice(monkeypatch, fault=come)
    monkeypatch.setattr(batch, "PRACTICE_SECONDS", 0.0)
    finish(run)
    assert (run.status, run.attempts, run.manifest) == (RunStatus.TRAINING, 0, {})
    assert run.reason.endswith("goes on when its turn comes again.")
    before = run.price_credits
    other = TrainingRun.objects.exclude(id=run.pk).get()
    assert list(waiting_runs().values_list("id", flat=True)) == [other.pk, run.pk]
    script_practice(monkeypatch)
    while train_due():
        pass
    for each in (run, other):
        each.refresh_from_db()
    assert (run.status, run.price_credits) == (RunStatus.ADOPTED, before)
    assert other.status == RunStatus.ADOPTED


def test_practice_past_its_time_goes_on_if_nobody_waits(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    script_practice(monkeypatch)
    monkeypatch.setattr(batch, "PRACTICE_SECONDS", 0.0)
    finish(run)
    assert run.status == RunStatus.ADOPTED


def test_the_time_of_practice_and_gate_counts_in_the_turns(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    script_practice(monkeypatch)
    clock = count(0.0, 10.0)
    monkeypatch.setattr(steps, "monotonic", lambda: next(clock))
    finish(run)
    assert run.served_seconds >= 30.0


def test_practice_of_one_run_keeps_the_leases_of_the_others(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = make_agent(learning={"rank": 4, "alpha": 8})
    make_pairs_for(agent, count=8, space=run.space)
    other = request_run(agent.owner_id, agent_id=agent.id, space_id=run.space_id)
    kept: list[bool] = []

    def look_and_write(spec: RunSpec) -> dict[str, Any]:
        if spec.run.pk == run.pk:  # it has practised, and the fault has been dealt with
            other.refresh_from_db()
            kept.append(bool(other.lease_expires_at and other.lease_expires_at > timezone.now()))
        return write_nothing(spec)

    script_practice(monkeypatch, fault=lambda run: expire(other))
    monkeypatch.setattr(steps, "make_dataset", look_and_write)
    assert train_due() == 2
    assert kept == [True]
