"""An owner's verbs on a run and its version: pause, resume, cancel, adopt, decline, use.

Each checks inside its lock that the agent is the user's, and raises NotAvailable if not.
A worker that holds the run notices the owner's action within seconds.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from django.db import transaction
from django.utils import timezone

from agents.errors import Refused
from agents.models import AgentVersion
from agents.roster import activate_child, activate_version
from arena import leases
from training.models import TrainingRun
from training.runs.moves import apply_event, locked_run, own_locked_run
from training.runs.nudges import nudge_again, nudge_waiting_runs
from training.runs.queries import unjudged_runs
from training.states import LIVE_STATUSES, RunEvent, RunStatus

log = structlog.get_logger(__name__)


def pause_run(user_id: int, *, run_id: int) -> None:
    """Free the worker and keep the checkpoint, the place in the queue and the held price."""
    with _steered(user_id, run_id) as run:
        match run.status:
            case RunStatus.PAUSED:
                raise Refused("This run is already paused.")
            case RunStatus.EVALUATING:
                raise Refused("The new version is being evaluated; that will end soon by itself.")
            case _:
                _refuse_final(run)
        reason = "Paused. The run keeps what it has learned so far."
        if run.is_upload:
            reason = "Paused. It goes to the gate once you resume it."
        apply_event(run, RunEvent.PAUSE, reason=reason)


def resume_run(user_id: int, *, run_id: int) -> None:
    """Queue a paused run again; it continues from its checkpoint."""
    with _steered(user_id, run_id) as run:
        _refuse_final(run)
        if run.status != RunStatus.PAUSED:
            raise Refused("This run is not paused.")
        if run.agent.retired_at:
            raise Refused("This agent is retired.")
        # Not to rest: it says since when the run has waited, see training.monitoring.site.
        waits = leases.resting(until=timezone.now())
        apply_event(run, RunEvent.RESUME, reason="", attempts=0, outage_since=None, **waits)
        # It may have been offered to workers just before the pause.
        transaction.on_commit(lambda: nudge_again(run_id), robust=True)
        transaction.on_commit(nudge_waiting_runs, robust=True)


def cancel_run(user_id: int, *, run_id: int, only_before_charge: bool = False) -> None:
    """Stop the run; its pairs stay for the next one.

    What it has used of a held price is paid, and the rest comes back; once the run has trained,
    its price is spent. `only_before_charge`: the user was shown that the rest comes back.
    """
    with _steered(user_id, run_id) as run:
        _refuse_final(run)
        if only_before_charge and run.status == RunStatus.EVALUATING:
            raise Refused(
                "The gate has begun meanwhile, so the price is spent and nothing comes back any "
                "more. Nothing was changed; cancel the run again if you still want that."
            )
        apply_event(run, RunEvent.CANCEL, reason=_cancelled_words(run))


def cancel_runs_of_retired() -> None:
    """End the runs of retired agents; what they have not used of their prices comes back.

    For the system: the sweep calls it, without a user.
    """
    live = [RunStatus.QUEUED, RunStatus.TRAINING, RunStatus.PAUSED]
    runs = TrainingRun.objects.filter(status__in=live, agent__retired_at__isnull=False)
    for run_id in runs.values_list("id", flat=True):
        try:
            with transaction.atomic(durable=True):
                run = locked_run(run_id)
                if run.status in live:
                    apply_event(run, RunEvent.CANCEL, reason="Its agent was retired.")
        except Exception:
            # A run that cannot be ended must not hold up the others, nor what a sweep does next.
            log.exception("run_not_ended", run_id=run_id)


def adopt_offered(user_id: int, *, run_id: int) -> None:
    """Make the offered version play, if the agent still plays with its parent."""
    with _steered(user_id, run_id) as run:
        _refuse_unoffered(run)
        if run.agent.retired_at:
            raise Refused("This agent is retired.")
        child = run.child_version
        assert child is not None, "what is offered is a version"
        if not activate_child(run.agent_id, version_id=child.pk):
            raise Refused(
                "The agent's version changed after this run began. Activate version "
                f"{child.number} by hand if you want it, or decline the offer."
            )
        apply_event(run, RunEvent.ADOPT)


def decline_offered(user_id: int, *, run_id: int) -> None:
    """Keep the parent; the declined version stays on record."""
    with _steered(user_id, run_id) as run:
        _refuse_unoffered(run)
        apply_event(run, RunEvent.REJECT, reason=f"Declined by its owner. {run.reason}")


def use_version(user_id: int, *, agent_id: int, version_id: int) -> AgentVersion:
    """Make any version of the agent play next, also a rejected one, unless no gate has judged it."""
    with transaction.atomic(durable=True):
        # It locks the agent, without which the run cannot move.
        version = activate_version(user_id, agent_id=agent_id, version_id=version_id)
        run = unjudged_runs().filter(child_version=version).first()
        if run is None:
            return version
        if run.status in LIVE_STATUSES:
            raise Refused(
                f"Version {version.number} is still being evaluated; you can use it once the gate "
                "has decided."
            )
        raise Refused(
            f"Version {version.number} was never evaluated, so it cannot play. "
            f"{'Upload it' if run.is_upload else 'Train'} again for a version that can."
        )


def _cancelled_words(run: TrainingRun) -> str:
    """What becomes of the run's price, version and pairs."""
    if run.child_version is None:
        return "Cancelled. Its pairs stay for the next run."
    number, pairs = run.child_version.number, ""
    began = "before the gate"
    if run.status == RunStatus.EVALUATING:
        began = f"{'at the gate' if run.is_upload else 'after training'}, so its price is spent"
    if not run.is_upload:
        pairs = "; otherwise its pairs stay" if run.gate else "; its pairs stay"
        pairs += " for the next run"
    if run.gate:
        return f"Cancelled {began}. You can still activate version {number} by hand{pairs}."
    return f"Cancelled {began}. Version {number} was not evaluated and cannot play{pairs}."


@contextmanager
def _steered(user_id: int, run_id: int) -> Iterator[TrainingRun]:
    with transaction.atomic(durable=True):
        yield own_locked_run(user_id, run_id)


def _refuse_final(run: TrainingRun) -> None:
    if RunStatus(run.status).is_final:
        raise Refused(f"This run is over: it was {run.status}.")


def _refuse_unoffered(run: TrainingRun) -> None:
    if run.status != RunStatus.OFFERED:
        raise Refused(f"This run has no version on offer; it is {run.status}.")
