from typing import Any

import pytest
from django.utils import timezone

from agents.models import User
from agents.roster import add_trained_version, edit_agent
from arena.models import Space
from arena.tests.builders import at_once, make_adapter
from training.models import TrainingRun
from training.runs.claiming import (
    FAIRNESS_WINDOW,
    MAX_ATTEMPTS,
    claim_next,
    claim_together,
    is_another_due,
    waiting_runs,
)
from training.runs.lease import Lease
from training.runs.starting import request_run
from training.runs.steering import use_version
from training.states import RunStatus
from training.tests.builders import make_agent, make_pairs_for, make_space
from training.tests.scripted import expire

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.runs.nudges.nudge", lambda *nudge, **options: None)


@pytest.fixture
def space() -> Space:
    return make_space()


def make_run(
    space: Space, *, owner: User | None = None, learning: dict[str, Any] | None = None
) -> TrainingRun:
    agent = make_agent(learning=learning or {})
    if owner:
        agent.owner = owner
        agent.save()
    make_pairs_for(agent, count=8, space=space)
    return request_run(agent.owner_id, agent_id=agent.id, space_id=space.id)


def has_trained(run: TrainingRun, *, seconds: float, days_ago: float = 0.0) -> None:
    """The run is over and used this many seconds of training."""
    TrainingRun.objects.filter(id=run.pk).update(
        status=RunStatus.ADOPTED,
        progress={"seconds": seconds},
        started_at=timezone.now() - days_ago * FAIRNESS_WINDOW,
    )


def claimed(lease: Lease | None) -> int:
    assert lease is not None
    return lease.run_id


def test_the_owner_with_the_least_training_of_the_last_day_comes_first(space: Space) -> None:
    greedy = make_run(space)
    has_trained(greedy, seconds=500.0)
    modest = make_run(space)
    has_trained(modest, seconds=20.0)
    rested = make_run(space)
    has_trained(rested, seconds=9_000.0, days_ago=1.1)
    runs = [make_run(space, owner=run.agent.owner) for run in (greedy, modest, rested)]
    assert [run.pk for run in waiting_runs()] == [run.pk for run in reversed(runs)]


def test_who_practises_and_cancels_comes_after_an_owner_who_had_less(space: Space) -> None:
    free_rider = make_run(space)
    TrainingRun.objects.filter(id=free_rider.pk).update(
        status=RunStatus.CANCELLED, served_seconds=900.0, started_at=timezone.now()
    )
    modest = make_run(space)
    has_trained(modest, seconds=300.0)
    again = make_run(space, owner=free_rider.agent.owner)
    other = make_run(space, owner=modest.agent.owner)
    assert [run.pk for run in waiting_runs()] == [other.pk, again.pk]


def test_only_another_owner_who_had_less_is_due_before_a_run(space: Space) -> None:
    run = make_run(space)
    assert claimed(claim_next()) == run.pk
    TrainingRun.objects.filter(id=run.pk).update(served_seconds=900.0)
    make_run(space, owner=run.agent.owner)
    assert not is_another_due(run.pk)
    other = make_run(space)
    has_trained(other, seconds=1_000.0)
    make_run(space, owner=other.agent.owner)
    assert not is_another_due(run.pk)
    make_run(space)
    assert is_another_due(run.pk)


def test_a_run_in_hand_counts_from_its_first_moment(space: Space) -> None:
    first = make_run(space)
    second = make_run(space, owner=first.agent.owner)
    other = make_run(space)
    order = [claimed(claim_next()) for _ in range(3)]
    assert order == [first.pk, other.pk, second.pk]


def test_among_runs_of_one_owner_those_asked_for_by_hand_come_first(space: Space) -> None:
    by_itself = make_run(space)
    TrainingRun.objects.update(is_by_hand=False)
    by_hand = make_run(space, owner=by_itself.agent.owner)
    stranger = make_run(space)
    assert [run.pk for run in waiting_runs()] == [by_hand.pk, by_itself.pk, stranger.pk]


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_take_runs_of_two_owners(space: Space) -> None:
    first = make_run(space)
    make_run(space, owner=first.agent.owner)
    other = make_run(space)
    outcomes = at_once(claim_next, claim_next)
    assert {lease.run_id for lease in outcomes} == {first.pk, other.pk}


@pytest.mark.django_db(transaction=True)
def test_however_many_workers_claim_together_no_run_is_held_twice(space: Space) -> None:
    runs = [make_run(space) for _ in range(7)]
    outcomes = at_once(*[lambda: claim_together(3)] * 4)
    taken = [lease.run_id for leases in outcomes for lease in leases]
    assert sorted(taken) == [run.pk for run in runs]


def test_companions_have_the_same_base_and_precision(space: Space) -> None:
    first = make_run(space)
    make_run(space, learning={"precision": "bf16"})
    companion = make_run(space, learning={"method": "grpo"})
    elsewhere = make_run(space)
    other_base = type(elsewhere.agent.base_model).objects.create(slug="o", served_name="o")
    elsewhere.agent.base_model = other_base
    elsewhere.agent.save()
    assert [lease.run_id for lease in claim_together(8)] == [first.pk, companion.pk]


def test_no_more_runs_than_allowed_share_a_process(space: Space) -> None:
    for _ in range(4):
        make_run(space)
    assert len(claim_together(3)) == 3
    assert len(claim_together(3)) == 1
    assert claim_together(3) == []


def test_an_evaluation_is_taken_alone(space: Space) -> None:
    run = make_run(space)
    make_run(space)
    TrainingRun.objects.filter(id=run.pk).update(status=RunStatus.EVALUATING)
    assert [lease.run_id for lease in claim_together(8)] == [run.pk]


def test_a_last_attempt_is_made_alone(space: Space) -> None:
    """One job that kills its process must not take its neighbours' last attempts with it."""
    for _ in range(2):
        make_run(space)
    for _ in range(MAX_ATTEMPTS - 1):
        leases = claim_together(8)
        assert len(leases) == 2
        for run in TrainingRun.objects.all():
            expire(run)
    assert [len(claim_together(8)) for _ in range(3)] == [1, 1, 0]


def test_a_run_out_of_attempts_is_given_up_and_the_next_is_taken(space: Space) -> None:
    spent = make_run(space)
    TrainingRun.objects.filter(id=spent.pk).update(
        attempts=MAX_ATTEMPTS, reason="The trainer was killed."
    )
    fresh = make_run(space)
    assert claimed(claim_next()) == fresh.pk
    spent.refresh_from_db()
    assert spent.status == RunStatus.FAILED
    assert spent.reason.endswith("The last fault: The trainer was killed.")


def test_a_run_that_waits_goes_on_from_an_edited_prompt_and_the_same_weights(space: Space) -> None:
    run = make_run(space)
    edited = edit_agent(
        run.agent.owner_id,
        agent_id=run.agent_id,
        prompt="Another.",
        sampling=run.parent_version.sampling,
    )
    assert claimed(claim_next()) == run.pk
    run.refresh_from_db()
    assert run.parent_version == edited


def test_a_run_of_weights_that_nobody_plays_with_any_more_is_cancelled(space: Space) -> None:
    run = make_run(space)
    parent = run.parent_version
    adapter = make_adapter(run.agent.base_model)
    other = add_trained_version(run.agent_id, parent_version_id=parent.pk, adapter_id=adapter.pk)
    use_version(run.agent.owner_id, agent_id=run.agent_id, version_id=other.pk)
    assert claim_next() is None
    run.refresh_from_db()
    assert run.status == RunStatus.CANCELLED
    assert "no longer plays with the version" in run.reason


def test_a_run_that_has_begun_keeps_its_parent(space: Space) -> None:
    run = make_run(space)
    TrainingRun.objects.filter(id=run.pk).update(manifest={"pairs": []})
    edit_agent(
        run.agent.owner_id,
        agent_id=run.agent_id,
        prompt="Another.",
        sampling=run.parent_version.sampling,
    )
    assert claimed(claim_next()) == run.pk
    parent = run.parent_version
    run.refresh_from_db()
    assert run.parent_version == parent
