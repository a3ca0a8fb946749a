"""What owners do with live runs: pause, resume, cancel, adopt, decline."""

from functools import partial
from typing import Any

import pytest

from agents.errors import Refused
from agents.models import Agent
from agents.roster import add_trained_version, edit_agent
from arena.leases import LeaseLost
from arena.tests.builders import at_once, make_adapter
from training.models import TrainingRun
from training.runs.claiming import claim_next
from training.runs.lease import Lease, Leases, move_run, record, renew
from training.runs.starting import request_run, start_due_runs
from training.runs.steering import (
    adopt_offered,
    cancel_run,
    decline_offered,
    pause_run,
    resume_run,
    use_version,
)
from training.states import RunEvent, RunStatus
from training.tests.builders import make_agent, make_base, make_pairs_for, make_space
from training.tests.scripted import PASSED, REFUSED, script_gate, script_runs
from training.worker import steps
from training.worker.batch import train_due

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _scripted(settings: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    script_runs(settings, tmp_path, monkeypatch)


def make_run(*, status: RunStatus = RunStatus.QUEUED, **learning: Any) -> TrainingRun:
    """A run that has come so far."""
    agent, space = make_agent(learning=learning), make_space()
    make_pairs_for(agent, count=8, space=space)
    run = request_run(agent.owner_id, agent_id=agent.id, space_id=space.id)
    if status == RunStatus.PAUSED:
        pause_run(run.agent.owner_id, run_id=run.pk)
    elif status != RunStatus.QUEUED:
        lease = claim()
        if status in {RunStatus.EVALUATING, RunStatus.OFFERED}:
            add_child(lease)
        if status == RunStatus.OFFERED:
            record(lease, gate=PASSED.as_json())
            move_run(lease, RunEvent.OFFER, reason="Version 2 awaits your decision.")
    run.refresh_from_db()
    assert run.status == status
    return run


def claim() -> Lease:
    lease = claim_next()
    assert lease is not None
    return lease


def add_child(lease: Lease) -> None:
    run = TrainingRun.objects.get(id=lease.run_id)
    adapter = make_adapter(run.agent.base_model, digest=f"{run.pk:064}")
    child = add_trained_version(
        run.agent_id, parent_version_id=run.parent_version_id, adapter_id=adapter.pk
    )
    move_run(lease, RunEvent.TRAINED, child_version_id=child.pk)


def refreshed(run: TrainingRun) -> TrainingRun:
    return TrainingRun.objects.select_related("agent__current_version").get(id=run.pk)


# --- pause and resume ----------------------------------------------------------------------


@pytest.mark.parametrize("status", [RunStatus.QUEUED, RunStatus.TRAINING])
def test_a_paused_run_holds_no_worker_and_waits_until_it_is_resumed(status: RunStatus) -> None:
    run = make_run(status=status)
    pause_run(run.agent.owner_id, run_id=run.pk)
    run = refreshed(run)
    assert (run.status, run.lease_owner, run.lease_expires_at) == (RunStatus.PAUSED, None, None)
    assert claim_next() is None
    resume_run(run.agent.owner_id, run_id=run.pk)
    assert refreshed(run).status == RunStatus.QUEUED
    assert claim().run_id == run.pk


def test_the_worker_of_a_paused_run_may_write_no_more() -> None:
    run = make_run()
    lease = claim()
    pause_run(run.agent.owner_id, run_id=run.pk)
    for write in (renew, partial(record, progress={}), partial(move_run, event=RunEvent.TRAINED)):
        with pytest.raises(LeaseLost):
            write(lease)


@pytest.mark.django_db(transaction=True)
def test_a_resumed_run_is_offered_to_the_workers_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    offered: list[int] = []
    monkeypatch.setattr(
        "training.runs.nudges.nudge", lambda task, run_id, **options: offered.append(run_id)
    )
    run = make_run(status=RunStatus.PAUSED)
    resume_run(run.agent.owner_id, run_id=run.pk)
    assert offered == [run.pk, run.pk], "when it was queued, and again"


def test_a_resumed_run_has_all_its_attempts_again() -> None:
    run = make_run(status=RunStatus.TRAINING)
    TrainingRun.objects.update(attempts=3)
    pause_run(run.agent.owner_id, run_id=run.pk)
    resume_run(run.agent.owner_id, run_id=run.pk)
    assert claim().run_id == run.pk
    assert refreshed(run).attempts == 1


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (RunStatus.PAUSED, "already paused"),
        (RunStatus.EVALUATING, "will end soon by itself"),
        (RunStatus.OFFERED, "is over: it was offered"),
    ],
)
def test_a_run_that_cannot_be_paused_says_why(status: RunStatus, sentence: str) -> None:
    run = make_run(status=status)
    with pytest.raises(Refused, match=sentence):
        pause_run(run.agent.owner_id, run_id=run.pk)
    assert refreshed(run).status == status


def test_only_a_paused_run_can_be_resumed() -> None:
    run = make_run(status=RunStatus.TRAINING)
    with pytest.raises(Refused, match="is not paused"):
        resume_run(run.agent.owner_id, run_id=run.pk)
    cancel_run(run.agent.owner_id, run_id=run.pk)
    with pytest.raises(Refused, match="is over"):
        resume_run(run.agent.owner_id, run_id=run.pk)


def use_child(run: TrainingRun) -> None:
    child_id = refreshed(run).child_version_id
    assert child_id is not None
    use_version(run.agent.owner_id, agent_id=run.agent_id, version_id=child_id)


@pytest.mark.parametrize("end", [None, RunEvent.FAIL, RunEvent.CANCEL])
def test_a_version_that_the_gate_never_judged_cannot_be_used_by_hand(end: RunEvent | None) -> None:
    run = make_run()
    lease = claim()
    add_child(lease)
    if end:
        move_run(lease, end)
    parent = refreshed(run).agent.current_version
    sentence = "was never evaluated, so it cannot play" if end else "is still being evaluated"
    with pytest.raises(Refused, match=f"Version 2 {sentence}"):
        use_child(run)
    assert refreshed(run).agent.current_version == parent


def test_a_version_that_the_gate_judged_can_be_used_by_hand() -> None:
    run = make_run()
    lease = claim()
    add_child(lease)
    record(lease, gate=REFUSED.as_json())
    move_run(lease, RunEvent.REJECT)
    use_child(run)
    run = refreshed(run)
    assert run.agent.current_version == run.child_version


def test_a_retired_agent_adopts_nothing() -> None:
    run = make_run(status=RunStatus.OFFERED)
    parent = refreshed(run).agent.current_version
    Agent.objects.update(retired_at="2026-01-01T00:00Z")
    with pytest.raises(Refused, match="retired"):
        adopt_offered(run.agent.owner_id, run_id=run.pk)
    run = refreshed(run)
    assert (run.status, run.agent.current_version) == (RunStatus.OFFERED, parent)


def test_a_run_of_a_retired_agent_is_not_resumed() -> None:
    run = make_run(status=RunStatus.PAUSED)
    Agent.objects.update(retired_at="2026-01-01T00:00Z")
    with pytest.raises(Refused, match="retired"):
        resume_run(run.agent.owner_id, run_id=run.pk)


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (RunStatus.TRAINING, "Its pairs stay"),
        (RunStatus.EVALUATING, "Version 2 was not evaluated and cannot play"),
    ],
)
def test_a_cancelled_run_says_what_is_left_of_it(status: RunStatus, sentence: str) -> None:
    run = make_run(status=status)
    cancel_run(run.agent.owner_id, run_id=run.pk)
    assert sentence in refreshed(run).reason


def test_a_paused_run_can_be_cancelled_and_keeps_others_from_starting() -> None:
    run = make_run(status=RunStatus.PAUSED)
    with pytest.raises(Refused, match="already in training"):
        request_run(run.agent.owner_id, agent_id=run.agent_id, space_id=run.space_id)
    cancel_run(run.agent.owner_id, run_id=run.pk)
    assert refreshed(run).status == RunStatus.CANCELLED
    request_run(run.agent.owner_id, agent_id=run.agent_id, space_id=run.space_id)


# --- the agent's time in training ----------------------------------------------------------


@pytest.mark.parametrize(
    "end",
    [
        cancel_run,
        pause_run,
        lambda _, run_id: move_run(claim(), RunEvent.FAIL, reason="Broke."),
    ],
)
def test_an_agent_is_learning_while_a_run_is_in_hand(end: Any) -> None:
    run = make_run()
    assert refreshed(run).agent.learning_since is not None
    end(run.agent.owner_id, run_id=run.pk)
    assert refreshed(run).agent.learning_since is None


def test_an_agent_is_learning_until_its_version_is_judged_and_again_when_resumed() -> None:
    run = make_run(status=RunStatus.EVALUATING)
    assert refreshed(run).agent.learning_since is not None
    TrainingRun.objects.update(status=RunStatus.PAUSED)
    Agent.objects.update(learning_since=None)
    resume_run(run.agent.owner_id, run_id=run.pk)
    assert refreshed(run).agent.learning_since is not None


def test_an_agent_whose_run_could_not_be_queued_is_not_learning() -> None:
    agent, space = make_agent(learning={"rank": 10_000}), make_space()
    make_pairs_for(agent, count=8, space=space)
    run = request_run(agent.owner_id, agent_id=agent.id, space_id=space.id)
    assert run.status == RunStatus.FAILED
    assert refreshed(run).agent.learning_since is None


def test_an_answered_offer_leaves_a_newer_run_in_hand() -> None:
    run = make_run(status=RunStatus.OFFERED)
    edit_agent(
        run.agent.owner_id,
        agent_id=run.agent_id,
        prompt="New.",
        sampling=run.parent_version.sampling,
    )
    request_run(run.agent.owner_id, agent_id=run.agent_id, space_id=run.space_id)
    decline_offered(run.agent.owner_id, run_id=run.pk)
    assert refreshed(run).agent.learning_since is not None


# --- offers --------------------------------------------------------------------------------


def test_a_version_that_passes_waits_for_an_owner_who_decides_by_hand(fake_base: Any) -> None:
    make_base(str(fake_base))
    run = make_run(rank=4, alpha=8, adoption="by-hand")
    parent = refreshed(run).agent.current_version
    train_due()
    run = refreshed(run)
    assert run.status == RunStatus.OFFERED
    assert run.reason.startswith("Version 2 awaits your decision.")
    assert run.agent.current_version == parent
    adopt_offered(run.agent.owner_id, run_id=run.pk)
    run = refreshed(run)
    assert (run.status, run.agent.current_version) == (RunStatus.ADOPTED, run.child_version)


def test_a_version_that_does_not_pass_is_not_offered(
    fake_base: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_base(str(fake_base))
    run = make_run(rank=4, alpha=8, adoption="by-hand")
    script_gate(monkeypatch, lambda contestants: REFUSED)
    train_due()
    assert refreshed(run).status == RunStatus.REJECTED


def test_a_declined_version_does_not_play() -> None:
    run = make_run(status=RunStatus.OFFERED)
    parent = refreshed(run).agent.current_version
    decline_offered(run.agent.owner_id, run_id=run.pk)
    run = refreshed(run)
    assert (run.status, run.agent.current_version) == (RunStatus.REJECTED, parent)
    assert run.reason == "Declined by its owner. Version 2 awaits your decision."
    with pytest.raises(Refused, match="has no version on offer; it is rejected"):
        adopt_offered(run.agent.owner_id, run_id=run.pk)


def test_an_offer_to_an_agent_that_changed_is_refused_and_stays() -> None:
    run = make_run(status=RunStatus.OFFERED)
    edit_agent(
        run.agent.owner_id,
        agent_id=run.agent_id,
        prompt="New.",
        sampling=run.parent_version.sampling,
    )
    with pytest.raises(Refused, match="Activate version 2 by hand"):
        adopt_offered(run.agent.owner_id, run_id=run.pk)
    run = refreshed(run)
    assert run.status == RunStatus.OFFERED
    assert run.agent.current_version is not None
    assert run.agent.current_version.prompt == "New."


def test_no_run_starts_while_an_offer_is_open(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings.ENV, "training_pairs", 8)
    run = make_run(status=RunStatus.OFFERED)
    make_pairs_for(run.agent, count=8, space=run.space)
    assert start_due_runs() == []
    with pytest.raises(Refused, match="adopt or decline it first"):
        request_run(run.agent.owner_id, agent_id=run.agent_id, space_id=run.space_id)
    decline_offered(run.agent.owner_id, run_id=run.pk)
    assert len(start_due_runs()) == 1


@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_once_answer_an_offer_once() -> None:
    run = make_run(status=RunStatus.OFFERED)
    outcomes = at_once(
        partial(adopt_offered, run.agent.owner_id, run_id=run.pk),
        partial(decline_offered, run.agent.owner_id, run_id=run.pk),
    )
    assert sum(isinstance(outcome, Refused) for outcome in outcomes) == 1
    run = refreshed(run)
    plays_child = run.agent.current_version_id == run.child_version_id
    assert plays_child == (run.status == RunStatus.ADOPTED)


# --- at the same moment --------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_cancel_at_the_moment_of_adoption_agrees_with_what_plays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The worker has looked at the run and is about to adopt when its owner cancels."""
    for _ in range(5):
        run = make_run()
        lease = claim()
        add_child(lease)
        record(lease, gate=PASSED.as_json())
        judge = partial(steps.judge, lease, steps.spec_of(lease), Leases([lease]))
        at_once(judge, partial(cancel_run, run.agent.owner_id, run_id=run.pk))
        run = refreshed(run)
        assert run.status in {RunStatus.ADOPTED, RunStatus.CANCELLED}
        plays_child = run.agent.current_version_id == run.child_version_id
        assert plays_child == (run.status == RunStatus.ADOPTED)


@pytest.mark.django_db(transaction=True)
def test_an_ending_run_and_the_request_for_the_next_do_not_deadlock() -> None:
    for _ in range(5):
        run = make_run()
        lease = claim()
        outcomes = at_once(
            partial(move_run, lease, RunEvent.FAIL, reason="Broke."),
            partial(request_run, run.agent.owner_id, agent_id=run.agent_id, space_id=run.space_id),
        )
        ended, following = outcomes
        assert ended is None
        assert isinstance(following, TrainingRun | Refused)
        is_learning = refreshed(run).agent.learning_since is not None
        assert is_learning == isinstance(following, TrainingRun)
        if isinstance(following, TrainingRun):
            cancel_run(following.agent.owner_id, run_id=following.pk)
