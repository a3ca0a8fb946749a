"""Who pays for a run that a worker gives up: its owner for their own faults, the site for its own."""

import json
from pathlib import Path
from typing import Any

import pytest

from agents.adapters.store import AdapterCorrupt
from agents.errors import Refused
from agents.inference.client import AdapterRefused
from arena.credits.ledger import audit
from arena.queries import wallet_balance
from training.data.tokens import BaseUnreadable
from training.gate.evaluate import GateInconclusive, NeverAnswers
from training.models import TrainingRun
from training.practice.group_dataset import NotJudged
from training.runs.claiming import MAX_ATTEMPTS
from training.runs.starting import request_run
from training.states import RunStatus
from training.tests.builders import CREDITS, make_agent, make_base, make_pairs_for, make_space
from training.tests.scripted import (
    attempt_folder,
    behave,
    expire,
    fail_with,
    script_gate,
    script_runs,
)
from training.trainers.job import PROGRESS_FILE
from training.worker import batch
from training.worker.batch import train_due

pytestmark = pytest.mark.django_db(transaction=True)

PRICE = 50


@pytest.fixture
def run(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake_base: Path
) -> TrainingRun:
    script_runs(settings, tmp_path, monkeypatch)
    monkeypatch.setattr(settings.ENV, "training_price", PRICE)
    make_base(str(fake_base))
    agent, space = make_agent(learning={"rank": 4, "alpha": 8}), make_space()
    make_pairs_for(agent, count=8, space=space)
    return request_run(agent.owner_id, agent_id=agent.id, space_id=space.id)


def work_to_the_end(run: TrainingRun) -> None:
    for _ in range(MAX_ATTEMPTS + 1):
        train_due()
        expire(run)
    run.refresh_from_db()
    assert run.status == RunStatus.FAILED


def paid(run: TrainingRun) -> int:
    assert audit().problems == ()
    balance = wallet_balance(run.agent.owner_id)
    assert balance.held == 0
    return CREDITS - balance.available


@pytest.mark.parametrize(
    ("fault", "price"),
    [
        (NeverAnswers("16 of 16 got no answer."), PRICE),
        (GateInconclusive("Only 2 could be judged."), 0),
        (AdapterRefused("The inference server refused the adapter."), 0),
    ],
)
def test_a_gate_that_fails_costs_its_owner_the_price_only_if_the_version_never_answers(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch, fault: Exception, price: int
) -> None:
    script_gate(monkeypatch, fail_with(fault))
    work_to_the_end(run)
    assert paid(run) == price


@pytest.mark.parametrize(("behaviour", "price"), [("killed", PRICE // 2), ("crash", 0)])
def test_a_trainer_that_is_killed_alone_in_the_end_is_the_configs_fault_a_crash_is_ours(
    run: TrainingRun, fake_base: Path, behaviour: str, price: int
) -> None:
    behave(fake_base, behaviour)  # after the first of two steps
    work_to_the_end(run)
    assert paid(run) == price


@pytest.mark.parametrize("behaviour", ["lose the GPU", "lose the GPU in a library"])
def test_a_gpu_that_vanishes_puts_the_run_off_and_it_goes_on_once_the_gpu_is_back(
    run: TrainingRun, fake_base: Path, behaviour: str
) -> None:
    well = (fake_base / "behaviour").read_text()
    behave(fake_base, behaviour)  # after the first of two steps
    for _ in range(MAX_ATTEMPTS + 1):
        train_due()
        expire(run)
    run.refresh_from_db()
    assert run.status == RunStatus.TRAINING
    assert "lost its GPU (uncorrectable ECC error encountered)" in run.reason
    assert "from its last checkpoint" in run.reason
    behave(fake_base, well)
    train_due()
    run.refresh_from_db()
    assert run.status == RunStatus.ADOPTED
    lines = (attempt_folder(run, MAX_ATTEMPTS + 2) / PROGRESS_FILE).read_text().splitlines()
    assert [step for line in lines if (step := json.loads(line).get("step"))] == [1, 2]
    assert paid(run) == PRICE


@pytest.mark.parametrize(
    "fault", [NotJudged("The judges gave no verdict."), BaseUnreadable("No weights.")]
)
def test_judges_and_weights_that_are_away_put_the_run_off(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise fault

    with monkeypatch.context() as patch:
        patch.setattr(batch, "prepare", refuse)
        for _ in range(MAX_ATTEMPTS + 1):
            train_due()
            expire(run)
    run.refresh_from_db()
    assert (run.status, run.reason) == (RunStatus.TRAINING, str(fault))
    train_due()
    run.refresh_from_db()
    assert run.status == RunStatus.ADOPTED
    assert paid(run) == PRICE


@pytest.mark.parametrize(
    ("error", "price"),
    [(AdapterCorrupt("Damaged."), 0), (Refused("Nothing to learn."), PRICE // 2)],
)
def test_a_refused_preparation_costs_what_was_used_unless_our_store_is_at_fault(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch, error: Exception, price: int
) -> None:
    TrainingRun.objects.update(progress={"furthest_step": 1, "steps": 2})

    def refuse(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(batch, "prepare", refuse)
    work_to_the_end(run)
    assert paid(run) == price
