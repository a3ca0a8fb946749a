"""Hears an appeal: another panel votes, and the fee goes where the outcome sends it.

For the system, without a user. May run twice and may die at any line: nothing is written before the
one transaction that stores votes, outcome and money, and the next sweep finds what still waits.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog
from django.db import connections, transaction
from django.db.models import F
from django.utils import timezone

from agents.inference.patience import beside
from arena import leases
from arena.environments.base import EnvironmentFault
from arena.matches import play
from arena.matches.judging import keep_lease, transcript_of
from arena.matches.vote_rows import ballot_fields, keyed
from arena.models import Appeal, AppealStatus, AppealVote, Match, Verdict
from arena.panels.tools import build_tools
from arena.panels.voting import PanelJudge, judge_transcript
from arena.review.appealing import (
    close_unheard,
    give_fee_back,
    has_leaver,
    keep_fee,
    second_panel,
)
from arena.review.orders import reversed_pairs
from judges.panel import PanelVerdict, tied_below
from judges.tools import ChatRequest, Reply, Tools
from judges.transcript import Ballot

HEARINGS = 5  # that may be interrupted before the fee goes back
LEFT = "An answer of the round is gone, as its author has left."

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Heard:
    """What the other panel said."""

    votes: Sequence[tuple[PanelJudge, Ballot, float]]
    verdict: PanelVerdict | None
    is_other_panel: bool


def hear_appeal(appeal_id: int) -> None:
    """Have another panel vote and decide the appeal; a second call during or after it does nothing."""
    if not _claim(appeal_id):
        return
    row = Appeal.objects.select_related("round__match__space").get(id=appeal_id)
    if row.attempts > HEARINGS:
        _close(appeal_id, f"It was interrupted {HEARINGS} times.")
    elif has_leaver(row.round):
        _close(appeal_id, LEFT)
    else:
        try:
            heard = _heard(row)
        except EnvironmentFault as fault:
            # Later again: the lease runs out, and the next sweep finds the appeal.
            log.warning("appeal_not_heard", appeal_id=appeal_id, fault=str(fault))
            return
        decide_appeal(appeal_id, heard)


def decide_appeal(appeal_id: int, heard: Heard) -> None:
    """Store what the panel said, and send the fee back or keep it."""
    match_id = Appeal.objects.values_list("round__match", flat=True).get(id=appeal_id)
    with transaction.atomic(durable=True):
        # Whoever left during the hearing is erased before this, or after it with what it stores.
        Match.objects.select_for_update(no_key=True).get(id=match_id)
        row = Appeal.objects.select_for_update(no_key=True).get(id=appeal_id)
        if row.status != AppealStatus.WAITING:
            return
        if has_leaver(row.round):
            close_unheard(row, LEFT)
            return
        row.is_other_panel = heard.is_other_panel
        for judge, ballot, seconds in heard.votes:
            AppealVote.objects.create(appeal=row, **ballot_fields(judge, ballot, seconds))
        if heard.verdict is None:
            close_unheard(row, "None of its judges could say anything.")
            return
        _rank(row, heard.verdict)
        row.decided_at = timezone.now()
        row.save()
        if row.status == AppealStatus.GRANTED:
            give_fee_back(row)
        else:
            keep_fee(row)


def _rank(row: Appeal, verdict: PanelVerdict) -> None:
    row.scores = keyed(verdict.scores)
    row.ranking = [list(group) for group in verdict.ranking]
    row.agreement = verdict.agreement
    before = Verdict.objects.get(round=row.round_id).ranking
    row.reversed_pairs = [list(pair) for pair in reversed_pairs(before, verdict.ranking)]
    row.status = AppealStatus.GRANTED if row.reversed_pairs else AppealStatus.DENIED


def _heard(row: Appeal) -> Heard:
    panel, is_other = second_panel(row.round)
    seating = play.state_of(row.round.match).seating
    transcript = transcript_of(row.round, seating, panel)
    connections.close_all()  # back to the pool: judges may take two minutes
    judging = judge_transcript(panel, transcript, elsewhere(build_tools()))
    held = Appeal.objects.filter(id=row.pk, status=AppealStatus.WAITING)
    votes, verdict = asyncio.run(beside(keep_lease(held, field="lease_expires_at"), judging))
    if verdict is not None:  # judges that agree too little change no order, as in a match
        verdict = tied_below(verdict, seating.least_agreement)
    return Heard(votes, verdict, is_other)


def elsewhere(tools: Tools) -> Tools:
    """The tools, with each question put to another endpoint than usual, if there is one."""

    async def complete(request: ChatRequest) -> Reply:
        return await tools.complete(replace(request, is_repeat=True))

    return replace(tools, complete=complete)


def _close(appeal_id: int, reason: str) -> None:
    with transaction.atomic(durable=True):
        row = Appeal.objects.select_for_update(no_key=True).get(id=appeal_id)
        if row.status == AppealStatus.WAITING:
            close_unheard(row, reason)


def _claim(appeal_id: int) -> bool:
    # Nobody owns it: an outcome that comes too late finds the appeal decided.
    waiting = Appeal.objects.filter(leases.expired(), id=appeal_id, status=AppealStatus.WAITING)
    return bool(
        waiting.update(
            lease_expires_at=timezone.now() + leases.takeover(), attempts=F("attempts") + 1
        )
    )
