"""Verbs on what a talk costs: set aside before, paid by what was used, given back after a fault.

The row stands as long as the answer comes; ending it and paying for it is one transaction, which only
the first call makes. A process that dies leaves a row whose lease expires: the sweep gives back.
Lock order: the user's row, then the tab, then accounts by id.
"""

import uuid
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from agents.errors import NotAvailable, Refused
from agents.inference.table import known_servers
from agents.models import User
from arena import leases
from arena.credits import ledger
from arena.models import Account, Talk, TalkTab, TransferCode
from arena.talks.price import TOKENS_A_UNIT, Cover, cover

MAX_AT_ONCE = 4  # answers of one person: two beside each other, and a program
TOO_MANY = f"{MAX_AT_ONCE} answers are on their way to you already. Wait for one to end."
TALKS_A_SERVER = 8  # of all people: matches are asked beside them
LEASE_TAKEOVERS = 1.0  # renewed every few seconds

SWEEP_LIMIT = 100


class TooManyAtOnce(Refused):
    """Other talks, of the user or on the whole site, have to end first."""


@dataclass(frozen=True)
class Tab:
    """What a person can pay for talks with."""

    unit_credits: int  # that buy TOKENS_A_UNIT; 0: talking is free
    paid_tokens: int  # not yet used, nor set aside
    available_credits: int
    under_way: int  # answers

    def price_of(self, most_tokens: int) -> int:
        """Credits that a talk of so many tokens, at most, costs beside what is paid already."""
        units = cover(most_tokens, free_tokens=self.paid_tokens).held_units
        return units * self.unit_credits


@dataclass(frozen=True)
class Receipt:
    """What a talk cost."""

    used_tokens: int
    charged_credits: int


def tab_of(viewer: int) -> Tab:
    """The viewer's own."""
    # First: whoever reads that no answer is under way has all that they cost in what follows.
    under_way = Talk.objects.filter(user_id=viewer).count()
    account = Account.objects.filter(owner_id=viewer).first()
    tab = TalkTab.objects.filter(user_id=viewer).first()
    return Tab(
        unit_credits=settings.ENV.training_price,
        paid_tokens=max(0, _free_tokens(tab)) if tab else 0,
        available_credits=ledger.balance(account).available if account else 0,
        under_way=under_way,
    )


def open_talk(user_id: int, *, talk_id: uuid.UUID, most_tokens: int) -> None:
    """Set aside what an answer costs at most; it is kept and closed by this new id.

    Raises Refused with a sentence, TooManyAtOnce or InsufficientCredits.
    """
    unit_credits = settings.ENV.training_price
    most = TALKS_A_SERVER * max(1, known_servers().size)
    with transaction.atomic(durable=True):
        user = (
            User.objects.select_for_update(no_key=True)
            .filter(id=user_id, is_active=True, leaving_since=None)
            .first()
        )
        if user is None:
            raise NotAvailable("There is no such account.")
        TalkTab.objects.get_or_create(user=user)
        tab = TalkTab.objects.select_for_update(no_key=True).get(user=user)
        if Talk.objects.filter(user=user).count() >= MAX_AT_ONCE:
            raise TooManyAtOnce(TOO_MANY)
        # Not to the last one: people who ask at this very moment don't wait for each other.
        if Talk.objects.count() >= most:
            raise TooManyAtOnce("Too many people talk to their agents now. Try again in a moment.")
        needed = cover(most_tokens, free_tokens=_free_tokens(tab)) if unit_credits else Cover(0, 0)
        Talk.objects.create(
            id=talk_id,
            user=user,
            set_aside_tokens=needed.set_aside_tokens,
            held_units=needed.held_units,
            unit_credits=unit_credits,
            lease_expires_at=timezone.now() + leases.takeover(LEASE_TAKEOVERS),
        )
        if needed.held_units:
            ledger.hold(
                talk_id,
                debit=ledger.account_of(user_id),
                credit=ledger.fees_account(),
                amount=needed.held_units * unit_credits,
                code=TransferCode.TALK,
                reference=_reference(talk_id),
            )


def keep_talk(talk_id: uuid.UUID) -> bool:
    """Renew the lease; False if the talk was ended. For the system, without a user."""
    until = timezone.now() + leases.takeover(LEASE_TAKEOVERS)
    kept = Talk.objects.filter(id=talk_id, user__is_active=True, user__leaving_since=None)
    return bool(kept.update(lease_expires_at=until))


def close_talk(talk_id: uuid.UUID, *, used_tokens: int) -> Receipt | None:
    """Charge for the tokens that were used, and give the rest back; 0: for nothing.

    For the system, without a user. None if the talk was ended before: only the first call counts.
    """
    with transaction.atomic(durable=True):
        user_id = Talk.objects.filter(id=talk_id).values_list("user_id", flat=True).first()
        if user_id is None:
            return None
        # Whoever ends a talk holds its tab, so that two who do come one after the other.
        tab = TalkTab.objects.select_for_update(no_key=True).get(user_id=user_id)
        talk = Talk.objects.filter(id=talk_id).first()
        if talk is None:
            return None
        charged = _settle(talk, tab, used_tokens=used_tokens)
        talk.delete()
    return Receipt(used_tokens=used_tokens, charged_credits=charged)


def end_stale_talks() -> int:
    """Give back what dead processes had set aside; returns how many. For the system, without a user."""
    stale = Talk.objects.filter(leases.expired()).order_by("id").values_list("id", flat=True)
    return sum(
        close_talk(talk_id, used_tokens=0) is not None for talk_id in list(stale[:SWEEP_LIMIT])
    )


def erase_talks(owner_id: int) -> None:
    """End the talks of a person who leaves, and forget the tab. For the system; may run twice."""
    for talk_id in list(Talk.objects.filter(user_id=owner_id).values_list("id", flat=True)):
        close_talk(talk_id, used_tokens=0)
    TalkTab.objects.filter(user_id=owner_id).delete()


def _settle(talk: Talk, tab: TalkTab, *, used_tokens: int) -> int:
    """The credits that were charged. Inside the caller's transaction, which has locked the tab."""
    if not talk.unit_credits:
        return 0
    units = Cover(talk.set_aside_tokens, talk.held_units).units_of(used_tokens)
    charged = units * talk.unit_credits
    if charged:
        ledger.post(
            uuid.uuid5(talk.pk, "post"),
            pending_id=talk.pk,
            amount=charged,
            reference=_reference(talk.pk),
        )
    elif talk.held_units:
        ledger.void(uuid.uuid5(talk.pk, "void"), pending_id=talk.pk, reference=_reference(talk.pk))
    tab.paid_tokens = max(0, tab.paid_tokens + units * TOKENS_A_UNIT - used_tokens)
    tab.save()
    return charged


def _free_tokens(tab: TalkTab) -> int:
    open_talks = Talk.objects.filter(user_id=tab.user_id)
    taken: int = open_talks.aggregate(taken=Sum("set_aside_tokens", default=0))["taken"]
    return tab.paid_tokens - taken


def _reference(talk_id: uuid.UUID) -> str:
    return f"talk:{talk_id}"
