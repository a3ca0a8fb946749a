"""The one place where a run's status changes, together with its price and its agent.

Lock order: agent, run, accounts by id, the agent's autopilot. Queueing a run locks its agent first, too.
"""

import json
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from agents.errors import NotAvailable
from agents.models import Agent
from agents.roster import begin_learning, end_learning
from arena.live.stream import OVER, publish, run_channel
from arena.spaces.autopilot import note_adoption
from arena.states import HookEvent
from arena.webhooks.outbox import tell
from training.models import TrainingRun
from training.runs import charges
from training.states import CLAIMABLE_STATUSES, RunEvent, RunStatus, advance

# The states that webhooks are told of; of a run that is offered and then adopted, both.
TOLD = frozenset({RunStatus.ADOPTED, RunStatus.OFFERED, RunStatus.REJECTED, RunStatus.FAILED})


def locked_run(run_id: int) -> TrainingRun:
    """The locked run, with its agent locked first. For the system, in the caller's transaction."""
    _agents().get(runs=run_id)
    return _runs().get(id=run_id)


def own_locked_run(user_id: int, run_id: int) -> TrainingRun:
    """The same for the owner of the run's agent. Raises NotAvailable for anybody else."""
    if _agents().filter(runs=run_id, owner_id=user_id).first() is None:
        raise NotAvailable("There is no such training run.")
    return _runs().get(id=run_id)


def queue_run(run: TrainingRun) -> None:
    """Store a new run and hold its price. Raises InsufficientCredits.

    Inside the caller's transaction, which has locked the agent.
    """
    run.save(force_insert=True)
    if run.status == RunStatus.QUEUED:
        charges.hold(run)
        begin_learning(run.agent_id)
    else:
        _tell_owner(run)  # it failed before it began


def apply_event(
    run: TrainingRun, event: RunEvent, *, is_owners_fault: bool = False, **fields: Any
) -> None:
    """Apply the event to the run and set the fields. Raises IllegalRunEvent.

    `is_owners_fault`: a failure comes from the owner's prompt, settings or data.

    Inside the caller's transaction, on a run from `locked_run`.
    """
    assert connection.in_atomic_block, "a run moves in its caller's transaction"
    before = RunStatus(run.status)
    run.status = after = advance(before, event)
    for name, value in fields.items():
        setattr(run, name, value)
    if after not in CLAIMABLE_STATUSES:
        run.lease_owner = run.lease_expires_at = None
    if after.is_final:
        run.finished_at = run.finished_at or timezone.now()
    run.save()
    if before in CLAIMABLE_STATUSES and after not in CLAIMABLE_STATUSES:
        end_learning(run.agent_id)
    elif event == RunEvent.RESUME:
        begin_learning(run.agent_id)
    if event == RunEvent.ADOPT:
        note_adoption(run.agent_id)
    is_charged = before == RunStatus.EVALUATING
    _move_credits(run, event, is_charged=is_charged, is_owners_fault=is_owners_fault)
    announce_run(run.pk)
    if after in TOLD:
        _tell_owner(run)
    if after.is_final:
        transaction.on_commit(lambda: publish(run_channel(run.pk), OVER))


def announce_run(run_id: int) -> None:
    """Tell the run's spectators that it changed, once the change is committed."""
    transaction.on_commit(lambda: publish_run(run_id))


def publish_run(run_id: int) -> None:
    """Tell the run's spectators that it changed."""
    publish(run_channel(run_id), json.dumps({"t": "run", "id": run_id}))


def _tell_owner(run: TrainingRun) -> None:
    child = run.child_version
    facts = {
        "run_id": run.pk,
        "status": run.status,
        "agent_id": run.agent_id,
        "version": child.number if child else None,
        "reason": run.reason,
        "api_path": f"/api/v1/runs/{run.pk}",
    }
    key = f"{run.pk}:{run.status}"
    tell([run.agent.owner_id], HookEvent.RUN_DECIDED, key=key, data=lambda _: facts)


def _agents() -> QuerySet[Agent]:
    return Agent.objects.select_for_update(of=("self",), no_key=True)


def _runs() -> QuerySet[TrainingRun]:
    return TrainingRun.objects.select_for_update(no_key=True)


def _move_credits(
    run: TrainingRun, event: RunEvent, *, is_charged: bool, is_owners_fault: bool
) -> None:
    match event:
        case RunEvent.TRAINED:
            charges.charge(run)
        case RunEvent.FAIL if not is_owners_fault:
            # The owner got nothing, and the fault was ours.
            if is_charged:
                charges.refund(run)
            else:
                charges.give_back(run)
        case RunEvent.FAIL | RunEvent.CANCEL if not is_charged:
            charges.charge_used(run)
