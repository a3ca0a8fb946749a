"""An owner's verbs on a run: pause, resume, cancel, adopt, decline.

Each checks inside its lock that the run's agent is the user's, and raises NotAvailable if not.
A worker that holds the run notices the owner's action within seconds.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction

from agents.errors import Refused
from agents.roster import activate_child
from training.models import TrainingRun
from training.runs.moves import apply_event, locked_run, own_locked_run
from training.runs.nudges import nudge_again, nudge_waiting_runs
from training.states import RunEvent, RunStatus


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
        apply_event(run, RunEvent.PAUSE, reason="Paused. The run keeps what it has learned so far.")


def resume_run(user_id: int, *, run_id: int) -> None:
    """Queue a paused run again; it continues from its checkpoint."""
    with _steered(user_id, run_id) as run:
        _refuse_final(run)
        if run.status != RunStatus.PAUSED:
            raise Refused("This run is not paused.")
        if run.agent.retired_at:
            raise Refused("This agent is retired.")
        apply_event(run, RunEvent.RESUME, reason="", attempts=0, outage_since=None)
        # It may have been offered to workers just before the pause.
        transaction.on_commit(lambda: nudge_again(run_id), robust=True)
        transaction.on_commit(nudge_waiting_runs, robust=True)


def cancel_run(user_id: int, *, run_id: int) -> None:
    """Stop the run; its pairs stay for the next one.

    A held price is returned; once the run has trained, its price is spent.
    """
    with _steered(user_id, run_id) as run:
        _refuse_final(run)
        reason = "Cancelled. Its pairs stay for the next run."
        if run.child_version:
            number = run.child_version.number
            reason = (
                "Cancelled after training, so its price is spent. You can still activate version "
                f"{number} by hand; otherwise its pairs stay for the next run."
            )
        apply_event(run, RunEvent.CANCEL, reason=reason)


def cancel_runs_of_retired() -> None:
    """End the runs of retired agents and return their held prices.

    For the system: the sweep calls it, without a user.
    """
    live = [RunStatus.QUEUED, RunStatus.TRAINING, RunStatus.PAUSED]
    runs = TrainingRun.objects.filter(status__in=live, agent__retired_at__isnull=False)
    for run_id in runs.values_list("id", flat=True):
        with transaction.atomic(durable=True):
            run = locked_run(run_id)
            if run.status in live:
                apply_event(run, RunEvent.CANCEL, reason="Its agent was retired.")


def adopt_offered(user_id: int, *, run_id: int) -> None:
    """Make the offered version play, if the agent still plays with its parent."""
    with _steered(user_id, run_id) as run:
        _refuse_unoffered(run)
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
