"""Erases what is left of people who leave, once nothing of theirs is under way.

For the system: the sweep calls it, without a user. Each step may run twice, and the mark that all is
erased comes last, so that a sweep that dies is made up for by the next one. docs/decisions/leaving.md
"""

import shutil
from dataclasses import dataclass

import structlog
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from agents.leaving import BATCH, erase_account
from agents.models import Agent, User
from arena import leases
from arena.credits.statement import wallet_balance
from arena.credits.wallet import forfeit
from arena.matches.erasing import erase_answers, is_playing
from arena.models import LIVE_ENTRY_STATUSES, Entry, EntryStatus
from arena.review.appealing import withdraw_appeals
from arena.review.bounty import withdraw_bounties
from arena.spaces.entering import withdraw_all
from arena.talks.charging import erase_talks
from arena.tournaments.registering import is_in_tournament, withdraw_leaver
from arena.webhooks.hooks import erase_webhooks
from training.models import Rollout, TrainingRun
from training.runs.attempts import run_folder
from training.runs.lease import LEASE_TAKEOVERS
from training.runs.moves import apply_event, locked_run
from training.states import LIVE_STATUSES, RunEvent, RunStatus

LEAVERS = 20  # looked at in one sweep

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Belongings:
    """What is lost or ends when its owner leaves."""

    available_credits: int
    held_credits: int
    agents: int  # that are not retired
    waiting: int  # entries in queues
    playing: int  # entries in matches
    runs: int  # unfinished


def belongings(viewer: int) -> Belongings:
    """The viewer's own, for the page on which they decide."""
    credits = wallet_balance(viewer)
    entries = Entry.objects.filter(user_id=viewer)
    return Belongings(
        available_credits=credits.available,
        held_credits=credits.held,
        agents=Agent.objects.filter(owner_id=viewer, retired_at=None).count(),
        waiting=entries.filter(status=EntryStatus.QUEUED).count(),
        playing=entries.filter(status=EntryStatus.SEATED).count(),
        runs=TrainingRun.objects.filter(agent__owner_id=viewer, status__in=LIVE_STATUSES).count(),
    )


def erase_leavers() -> int:
    """Erase those whose matches are over; returns how many are done."""
    leaving = User.objects.filter(leaving_since__isnull=False, left_at=None)
    done = 0
    # In random order, so that those whose matches last cannot hold up the others.
    for owner in leaving.order_by("?")[:LEAVERS]:
        try:
            done += _erase(owner)
        except Exception:
            # A person who cannot be erased yet must not hold up what a sweep does next.
            log.exception("account_not_erased", user_id=owner.pk)
    return done


def _erase(owner: User) -> bool:
    """False while something of the owner's is under way."""
    withdraw_all(owner.pk)
    withdraw_leaver(owner.pk)
    withdraw_appeals(owner.pk)
    withdraw_bounties(owner.pk)
    erase_webhooks(owner.pk)
    erase_talks(owner.pk)
    _cancel_runs(owner)
    waiting = Entry.objects.filter(user=owner, status__in=LIVE_ENTRY_STATUSES)
    if waiting.exists() or is_playing(owner) or is_in_tournament(owner.pk):
        return False
    if _may_still_write(owner):
        return False
    answers = erase_answers(owner)
    runs = _erase_runs(owner)
    forfeit(owner.pk)
    erase_account(owner.pk)
    log.info("account_erased", user_id=owner.pk, answer_count=answers, run_count=runs)
    return True


def _cancel_runs(owner: User) -> None:
    """Also those that are being evaluated: nobody is left to play what they would make."""
    live = TrainingRun.objects.filter(agent__owner=owner, status__in=LIVE_STATUSES)
    for run_id in live.values_list("id", flat=True):
        with transaction.atomic(durable=True):
            run = locked_run(run_id)
            if run.status in LIVE_STATUSES:
                apply_event(run, RunEvent.CANCEL, reason="Its owner deleted the account.")


def _may_still_write(owner: User) -> bool:
    """Whether a worker may not have noticed yet that a run of the owner was cancelled."""
    lately = timezone.now() - leases.takeover(LEASE_TAKEOVERS)
    cancelled = TrainingRun.objects.filter(agent__owner=owner, status=RunStatus.CANCELLED)
    return cancelled.filter(attempts__gt=0, finished_at__gt=lately).exists()


def _erase_runs(owner: User) -> int:
    """Erase practice answers, the gate's examples and the files that hold prompts or answers."""
    runs = TrainingRun.objects.filter(agent__owner=owner).order_by("id")
    for run in runs.only("gate").iterator():
        if run.gate.get("examples"):
            TrainingRun.objects.filter(id=run.pk).update(gate=run.gate | {"examples": []})
        shutil.rmtree(run_folder(run.pk), ignore_errors=True)
    _delete_rollouts(Rollout.objects.filter(run__agent__owner=owner))
    return runs.count()


def _delete_rollouts(rollouts: QuerySet[Rollout]) -> None:
    while ids := list(rollouts.order_by("id").values_list("id", flat=True)[:BATCH]):
        Rollout.objects.filter(id__in=ids).delete()
