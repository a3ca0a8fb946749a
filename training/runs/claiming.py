"""Which waiting run a worker takes next, and which others with it. The rows are the queue.

Owners take turns: whoever had the least of training, practice and gates in the last day comes
first. Among one owner's runs, those requested by hand come before those that started by themselves. For the system: workers
claim, without a user.
"""

from datetime import timedelta

from django.db import transaction
from django.db.models import F, FloatField, Min, OuterRef, Q, QuerySet, Subquery, Sum, Value, Window
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Coalesce, Greatest
from django.db.models.lookups import LessThan
from django.utils import timezone

from agents.models import AgentVersion
from arena import leases
from training.configs.fields import InvalidConfig
from training.methods import config_from_json
from training.models import TrainingRun
from training.runs.lease import Lease, run_lease_ends
from training.runs.moves import apply_event, locked_run
from training.states import CLAIMABLE_STATUSES, RunEvent, RunStatus

MAX_ATTEMPTS = 3
# If a run was free for this long, nobody tried it: the site was off, which is not an outage.
UNATTENDED = timedelta(hours=1)
FAIRNESS_WINDOW = timedelta(hours=24)
MIN_SECONDS = 1.0  # what a run that has only just begun counts as
MAX_GIVEN_UP = 100  # runs without attempts left that one claim may skip

_CLAIM_LOCK = 0x524C4643  # any number that no other advisory lock of this database uses


def claimable() -> Q:
    """Live runs that no worker holds."""
    return Q(status__in=CLAIMABLE_STATUSES) & leases.expired()


def waiting_runs() -> QuerySet[TrainingRun]:
    """Runs that a worker may take, the fairest first."""
    return (
        TrainingRun.objects.filter(claimable())
        .annotate(
            had_seconds=Greatest(Subquery(_seconds_of_owner()), 0.0),
            owner_waits_since=Window(Min("id"), partition_by=F("agent__owner")),
        )
        .order_by("had_seconds", "owner_waits_since", "-is_by_hand", "id")
    )


def claim_next(among: Q | None = None) -> Lease | None:
    """Claim the fairest waiting run, perhaps from a dead worker; None if none is waiting.

    A run that has used up its attempts is given up on the way.
    """
    for _ in range(MAX_GIVEN_UP):
        with transaction.atomic(durable=True):
            # So that the next claim sees what was taken.
            leases.one_at_a_time(_CLAIM_LOCK)
            run_id = waiting_runs().filter(among or Q()).values_list("id", flat=True).first()
            if run_id is None:
                return None
            run = locked_run(run_id)
            if _is_free(run) and (lease := _take(run)):
                return lease
    return None


def claim_together(limit: int) -> list[Lease]:
    """Claim the fairest waiting run and up to `limit` - 1 that can share its trainer process."""
    first = claim_next()
    claimed = [first] if first else []
    while first and len(claimed) < limit and (other := claim_next(_companions_of(first))):
        claimed.append(other)
    return claimed


def is_another_due(run_id: int) -> bool:
    """Whether a run of another owner is waiting and would come before this one if it waited."""
    run = (
        TrainingRun.objects.select_related("agent")
        .annotate(had_seconds=Greatest(Subquery(_seconds_of_owner()), 0.0))
        .get(id=run_id)
    )
    others = waiting_runs().exclude(agent__owner=run.agent.owner_id)
    return others.filter(LessThan(F("had_seconds"), run.had_seconds)).exists()


def _companions_of(lease: Lease) -> Q:
    run = TrainingRun.objects.select_related("agent").get(id=lease.run_id)
    if run.status != RunStatus.TRAINING or run.attempts == MAX_ATTEMPTS or run.is_upload:
        return Q(pk__in=[])
    try:
        precision = config_from_json(run.config).precision
    except InvalidConfig:
        return Q(pk__in=[])  # of a method that is gone: it fails with a sentence, alone
    return Q(
        status__in=[RunStatus.QUEUED, RunStatus.TRAINING],
        agent__base_model=run.agent.base_model_id,
        config__precision=precision,  # which an upload does not have: it shares no process
        # A run makes its last attempt alone: the earlier crashes may have been a neighbour's fault,
        # or its own.
        attempts__lt=MAX_ATTEMPTS - 1,
    )


def _take(run: TrainingRun) -> Lease | None:
    now = timezone.now()
    if run.attempts >= MAX_ATTEMPTS:
        why = f" The last fault: {run.reason}" if run.reason else ""
        apply_event(
            run,
            RunEvent.FAIL,
            reason=f"Training was given up after {MAX_ATTEMPTS} interrupted attempts; the parent "
            f"version stays.{why}",
        )
        return None
    parent = _parent_of(run)
    if parent is None:
        apply_event(
            run,
            RunEvent.CANCEL,
            reason="The agent no longer plays with the version that this run was to train; the pairs "
            "stay for the next run.",
        )
        return None
    lease = Lease(run.pk)
    was_unattended = run.lease_expires_at and now - run.lease_expires_at > UNATTENDED
    apply_event(
        run,
        RunEvent.CLAIM,
        parent_version=parent,
        attempts=run.attempts + 1,
        outage_since=None if was_unattended else run.outage_since,
        started_at=run.started_at or now,
        **leases.held(lease.owner, until=run_lease_ends()),
    )
    return lease


def _parent_of(run: TrainingRun) -> AgentVersion | None:
    """The version that the run starts from; None if it would train a version that no longer plays.

    If only the agent's prompt was edited while the run waited, the run starts from that version.
    """
    parent, current = run.parent_version, run.agent.current_version
    has_begun = (
        run.status != RunStatus.QUEUED or run.is_upload or run.manifest or run.rollouts.exists()
    )
    if has_begun or current is None or current == parent:
        return parent
    return current if current.adapter_id == parent.adapter_id else None


def _is_free(run: TrainingRun) -> bool:
    """The same condition as `claimable`, for a locked row."""
    return run.status in CLAIMABLE_STATUSES and leases.is_expired(run)


def _seconds_of_owner() -> QuerySet[TrainingRun, float]:
    """Seconds of work that the owner of the outer query's run has had, including live runs."""
    trained = Coalesce(Cast(KT("progress__seconds"), FloatField()), 0.0)
    seconds = Greatest(trained + F("served_seconds"), Value(MIN_SECONDS))
    return (
        TrainingRun.objects.filter(
            agent__owner=OuterRef("agent__owner"),
            started_at__gt=timezone.now() - FAIRNESS_WINDOW,
        )
        .values("agent__owner")
        .annotate(total=Sum(seconds))
        .values_list("total", flat=True)
    )
