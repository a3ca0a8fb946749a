"""Verbs on a user's credits."""

import uuid

from django.db import transaction

from agents.errors import Refused
from agents.models import User
from arena.credits import ledger
from arena.models import Transfer, TransferCode

TOP_UP_MAX_CREDITS = 1_000
SANDBOX_BALANCE_MAX_CREDITS = 5_000

_NAMESPACE = uuid.UUID("a3d1c8de-3f0b-4a8f-8a2e-5d8f6c0f3b7a")


def top_up_sandbox(user_id: int, *, amount_credits: int, transfer_id: uuid.UUID) -> Transfer:
    """Issue sandbox credits to a user; a replay of the id returns the first transfer."""
    if not 1 <= amount_credits <= TOP_UP_MAX_CREDITS:
        raise Refused(f"Top up between 1 and {TOP_UP_MAX_CREDITS:,} credits at a time.")
    ledger.check_given_id(transfer_id)
    with transaction.atomic(durable=True):
        account = ledger.account_of(user_id)
        issuance = ledger.issuance_account()
        account = ledger.lock_accounts([account.id, issuance.id])[account.id]
        if User.objects.filter(id=user_id, leaving_since__isnull=False).exists():
            raise Refused("This account is being deleted.")
        balance = ledger.balance(account)
        is_new = not Transfer.objects.filter(id=transfer_id).exists()
        if is_new and balance.available + balance.held + amount_credits > (
            SANDBOX_BALANCE_MAX_CREDITS
        ):
            raise Refused(
                f"Sandbox wallets hold at most {SANDBOX_BALANCE_MAX_CREDITS:,} credits; "
                f"you have {balance.available + balance.held:,}."
            )
        try:
            return ledger.transfer(
                transfer_id,
                debit=issuance,
                credit=account,
                amount=amount_credits,
                code=TransferCode.TOP_UP,
                reference=f"user:{user_id}",
            )
        except ledger.TransferConflict:
            raise Refused("This form was already used; reload the page and try again.") from None


def forfeit(owner_id: int) -> None:
    """Return what a person who leaves has left to where it was issued.

    For the system, without a user. May run twice: the second finds nothing.
    """
    with transaction.atomic(durable=True):
        account, issuance = ledger.account_of(owner_id), ledger.issuance_account()
        account = ledger.lock_accounts([account.id, issuance.id])[account.id]
        if left := ledger.balance(account).available:
            ledger.transfer(
                uuid.uuid5(_NAMESPACE, f"user:{owner_id}"),
                debit=account,
                credit=issuance,
                amount=left,
                code=TransferCode.FORFEIT,
                reference=f"user:{owner_id}",
            )
