"""Verbs on appeals: ask another panel about a round, and take an appeal back.

Lock order: the user's row, then the appeal, then accounts by id. docs/decisions/appeals.md
"""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from agents.errors import NotAvailable, Refused
from agents.models import User
from arena.credits import ledger
from arena.models import (
    Appeal,
    AppealStatus,
    Match,
    MatchEvent,
    MatchStatus,
    Round,
    RoundStatus,
    Seat,
    TransferCode,
    Vote,
)
from arena.nudges import HEAR_APPEAL, nudge_on_commit
from arena.panels.own_base import members_of
from arena.panels.voting import PanelJudge, panel_of
from judges.call import KINDS
from judges.models import JudgeKind

_NAMESPACE = uuid.UUID("0d5e0a53-3a52-4f0e-8c1b-6b8f8e3f7c20")


def appeal(user_id: int, *, agent_id: int, match_id: int, number: int) -> Appeal:
    """Hold the fee and have another panel look at the round; a second call finds the first appeal.

    Raises NotAvailable for another's agent, and Refused with a sentence.
    """
    seat = Seat.objects.filter(
        match_id=match_id, agent_id=agent_id, agent__owner_id=user_id
    ).first()
    if seat is None:
        raise NotAvailable("You have no such agent in this match.")
    row = Round.objects.select_related("match__space").filter(match=match_id, number=number).first()
    if row is None:
        raise NotAvailable("There is no such round.")
    problem = problem_with(row)
    with transaction.atomic(durable=True):
        # Two clicks at once are taken one by one, and nobody asks who leaves at this moment.
        user = User.objects.select_for_update(no_key=True).get(id=user_id)
        if old := Appeal.objects.filter(round=row, user=user).first():
            return old
        if problem or user.leaving_since is not None:
            raise Refused(problem or "This account is being deleted.")
        fee = settings.ENV.appeal_fee
        hold_id = uuid.uuid5(_NAMESPACE, f"round:{row.pk}:user:{user_id}")
        found = Appeal.objects.create(
            round=row, seat=seat, user=user, fee_credits=fee, hold_id=hold_id
        )
        try:
            ledger.hold(
                hold_id,
                debit=ledger.account_of(user_id),
                credit=ledger.fees_account(),
                amount=fee,
                code=TransferCode.APPEAL,
                reference=f"appeal:{found.pk}",
            )
        except ledger.InsufficientCredits as error:
            raise ledger.InsufficientCredits(f"Not enough credits to appeal. {error}") from None
        nudge_on_commit(HEAR_APPEAL, found.pk)
    return found


def problem_with(row: Round) -> str:
    """Why nobody can appeal the round, as a sentence; empty if its owners can."""
    if row.match.status != MatchStatus.SETTLED or row.status != RoundStatus.DECIDED:
        return "Only a decided round of a settled match can be appealed."
    if row.match.is_practice:
        return "This was practice: nothing follows from its order, so it cannot be appealed."
    if timezone.now() > appeals_close_at(row.match):
        return f"Rounds can be appealed for {settings.ENV.appeal_hours} hours after their match."
    if has_leaver(row):
        return "An answer of this round is gone, as its author has left."
    voted = [vote for vote in row.votes.select_related("judge") if vote.scores]
    if all(vote.judge.kind == JudgeKind.CODE for vote in voted):
        return (
            "Code decided this round by rules that anybody can check. It would say the same again, "
            "so it cannot be appealed."
        )
    if len(row.verdict.ranking) < 2:
        return "The judges left all answers of this round tied, so there is no order to change."
    if not second_panel(row)[0]:
        return (
            "Its judges would only say the same again, as they measure by fixed formulas, and the "
            "Space has no others who may vote. So this round cannot be appealed."
        )
    return ""


def appeals_close_at(match: Match) -> datetime:
    """Until when the rounds of a settled match can be appealed."""
    assert match.finished_at is not None, "a settled match has ended"
    return match.finished_at + timedelta(hours=settings.ENV.appeal_hours)


def has_leaver(row: Round) -> bool:
    """Whether an answer of the round is erased, or will be."""
    return Seat.objects.filter(
        match=row.match_id, agent__owner__leaving_since__isnull=False
    ).exists()


def second_panel(row: Round) -> tuple[Sequence[PanelJudge], bool]:
    """Who hears an appeal, and whether these are other judges than the first time.

    The judges of the Space who had no vote on the round, else the same ones again, if one of them
    may say something else.
    """
    seated = MatchEvent.objects.get(match=row.match_id, kind="match_seated")
    weights: dict[str, float] = dict(seated.payload["panel"])
    # Judges that the Space has gained since then are as good.
    for slug, weight in members_of(row.match.space):
        weights.setdefault(slug, weight)
    # Without the rule checker that stands in for quarantined judges.
    panel = [
        judge
        for judge in panel_of(tuple(weights.items()), environment=row.match.space.environment)
        if judge.slug in weights
    ]
    voted = set(Vote.objects.filter(round=row).values_list("judge_id", flat=True))
    others = [judge for judge in panel if judge.judge_id not in voted]
    if others:
        return others, True
    again = [judge for judge in panel if judge.judge_id in voted]
    may_differ = any(not KINDS[judge.kind].repeats_itself for judge in again)
    return (again if may_differ else []), False


def close_unheard(row: Appeal, reason: str) -> None:
    """Give the fee back, as nobody could hear the appeal.

    Inside the caller's transaction, which has locked the appeal.
    """
    row.status, row.note, row.decided_at = AppealStatus.UNHEARD, reason, timezone.now()
    row.save()
    give_fee_back(row)


def give_fee_back(row: Appeal) -> None:
    """Void the hold, inside the caller's transaction, which has locked the appeal."""
    ledger.void(
        uuid.uuid5(row.hold_id, "void"), pending_id=row.hold_id, reference=f"appeal:{row.pk}"
    )


def keep_fee(row: Appeal) -> None:
    """Post the hold to the arena's income, inside the caller's transaction, which has locked the appeal."""
    ledger.post(
        uuid.uuid5(row.hold_id, "post"), pending_id=row.hold_id, reference=f"appeal:{row.pk}"
    )


def withdraw_appeals(owner_id: int) -> None:
    """Close the appeals of a person who leaves. For the system, without a user; may run twice."""
    with transaction.atomic(durable=True):
        waiting = Appeal.objects.select_for_update(no_key=True).filter(
            user_id=owner_id, status=AppealStatus.WAITING
        )
        for row in waiting.order_by("id"):
            close_unheard(row, "Its owner deleted the account.")
