"""Verbs on a user's credits."""

import uuid

from django.db import transaction

from agents.errors import Refused
from arena.credits import ledger
from arena.models import Transfer, TransferCode

TOP_UP_MAX_CREDITS = 1_000
SANDBOX_BALANCE_MAX_CREDITS = 5_000


def top_up_sandbox(user_id: int, *, amount_credits: int, transfer_id: uuid.UUID) -> Transfer:
    """Issue sandbox credits to a user; a replay of the id returns the first transfer."""
    if not 1 <= amount_credits <= TOP_UP_MAX_CREDITS:
        raise Refused(f"Top up between 1 and {TOP_UP_MAX_CREDITS:,} credits at a time.")
    ledger.check_given_id(transfer_id)
    with transaction.atomic(durable=True):
        account = ledger.account_of(user_id)
        issuance = ledger.issuance_account()
        account = ledger.lock_accounts([account.id, issuance.id])[account.id]
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
