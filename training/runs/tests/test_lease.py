from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.utils import timezone
from pytest_django import Settings

from arena.leases import LeaseLost
from arena.tests.builders import at_once
from training.models import TrainingRun
from training.runs.claiming import MAX_ATTEMPTS, claim_next
from training.runs.lease import (
    OUTAGE_LIMIT,
    move_run,
    postpone_run,
    record,
    renew,
)
from training.runs.nudges import nudge_waiting_runs
from training.runs.starting import request_run
from training.runs.steering import cancel_run
from training.states import RunEvent, RunStatus
from training.tests.builders import make_agent, make_pairs_for, make_space

pytestmark = pytest.mark.django_db


@pytest.fixture
def nudges(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    offered: list[int] = []
    monkeypatch.setattr(
        "training.runs.nudges.nudge", lambda task, run_id, **options: offered.append(run_id)
    )
    return offered


@pytest.fixture
def run(nudges: list[int]) -> TrainingRun:
    space, agent = make_space(), make_agent()
    make_pairs_for(agent, count=8, space=space)
    return request_run(agent.owner_id, agent_id=agent.id, space_id=space.id)


def expire(run: TrainingRun) -> None:
    past = timezone.now() - timedelta(seconds=1)
    TrainingRun.objects.filter(id=run.pk).update(lease_expires_at=past)


def test_a_claimed_run_is_not_claimed_again_until_its_lease_expires(run: TrainingRun) -> None:
    first = claim_next()
    assert first is not None
    assert claim_next() is None
    expire(run)
    second = claim_next()
    assert second is not None
    with pytest.raises(LeaseLost):
        renew(first)
    renew(second)


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_get_one_lease(run: TrainingRun) -> None:
    outcomes = at_once(*[claim_next] * 4)
    assert sum(outcome is not None for outcome in outcomes) == 1
    run.refresh_from_db()
    assert (run.status, run.attempts) == (RunStatus.TRAINING, 1)


def test_a_run_whose_workers_keep_dying_is_given_up_with_a_sentence(run: TrainingRun) -> None:
    for _ in range(MAX_ATTEMPTS):
        assert claim_next() is not None
        expire(run)
    assert claim_next() is None
    run.refresh_from_db()
    assert run.status == RunStatus.FAILED
    assert run.reason.startswith("Training was given up after 3 interrupted attempts")
    assert run.finished_at is not None


def test_a_postponed_run_waits_and_says_why(run: TrainingRun) -> None:
    lease = claim_next()
    assert lease is not None
    move_run(lease, RunEvent.TRAINED)
    postpone_run(lease, reason="The inference server is away.")
    assert claim_next() is None
    expire(run)
    assert claim_next() is not None
    run.refresh_from_db()
    assert (run.status, run.attempts) == (RunStatus.EVALUATING, 2)
    assert run.reason == "The inference server is away."


def test_an_outage_costs_no_attempt_until_it_has_lasted_a_day(run: TrainingRun) -> None:
    for _ in range(MAX_ATTEMPTS + 1):
        lease = claim_next()
        assert lease is not None
        postpone_run(lease, reason="The inference server is away.", is_outage=True)
        expire(run)
    TrainingRun.objects.update(outage_since=timezone.now() - OUTAGE_LIMIT)
    for _ in range(MAX_ATTEMPTS):
        lease = claim_next()
        assert lease is not None
        postpone_run(lease, reason="The inference server is away.", is_outage=True)
        expire(run)
    assert claim_next() is None
    run.refresh_from_db()
    assert run.status == RunStatus.FAILED
    assert "The inference server is away." in run.reason


@pytest.mark.parametrize(
    ("takeover_seconds", "minutes", "rest"),
    [(60, 0, 30), (60, 8, 120), (60, 20, 300), (60, 600, 600), (6, 600, 60)],
)
def test_the_longer_an_outage_lasts_the_rarer_it_is_tried(
    run: TrainingRun, settings: Settings, takeover_seconds: int, minutes: float, rest: float
) -> None:
    settings.ENV = settings.ENV.model_copy(update={"takeover_seconds": takeover_seconds})
    lease = claim_next()
    assert lease is not None
    since = timezone.now() - timedelta(minutes=minutes)
    TrainingRun.objects.update(outage_since=since)
    postpone_run(lease, reason="The inference server is away.", is_outage=True)
    run.refresh_from_db()
    assert run.lease_expires_at is not None
    assert (run.lease_expires_at - timezone.now()).total_seconds() == pytest.approx(rest, abs=10)
    assert claim_next() is None


def test_the_time_in_which_nobody_tried_is_no_outage(run: TrainingRun) -> None:
    """A site that was off over the weekend, and whose inference server starts last."""
    lease = claim_next()
    assert lease is not None
    postpone_run(lease, reason="The inference server is away.", is_outage=True)
    long_ago = timezone.now() - OUTAGE_LIMIT
    TrainingRun.objects.update(outage_since=long_ago, lease_expires_at=long_ago)
    for _ in range(MAX_ATTEMPTS + 1):
        lease = claim_next()
        assert lease is not None
        postpone_run(lease, reason="The inference server is away.", is_outage=True)
        expire(run)
    run.refresh_from_db()
    assert run.attempts == 0


def test_nothing_is_written_after_a_cancel(run: TrainingRun) -> None:
    lease = claim_next()
    assert lease is not None
    cancel_run(run.agent.owner_id, run_id=run.pk)
    with pytest.raises(LeaseLost):
        record(lease, progress={"step": 1}, curve=[])
    with pytest.raises(LeaseLost):
        move_run(lease, RunEvent.TRAINED)
    run.refresh_from_db()
    assert (run.status, run.progress) == (RunStatus.CANCELLED, {})


def test_a_final_state_ends_the_lease(run: TrainingRun) -> None:
    lease = claim_next()
    assert lease is not None
    move_run(lease, RunEvent.FAIL, reason="It broke.")
    run.refresh_from_db()
    assert (run.lease_owner, run.lease_expires_at, run.reason) == (None, None, "It broke.")
    assert claim_next() is None


def test_waiting_and_abandoned_runs_are_offered_and_held_ones_are_not(
    run: TrainingRun, nudges: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.runs.nudges.time", SimpleNamespace(time=lambda: 1e9))
    nudge_waiting_runs()
    assert nudges == [run.pk]
    nudge_waiting_runs()
    assert nudges == [run.pk], "one nudge a minute is enough"
    claim_next()
    nudges.clear()
    nudge_waiting_runs()
    assert nudges == []
