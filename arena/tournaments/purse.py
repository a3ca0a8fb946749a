"""Credits of a tournament: fees into its purse, and out of it to places, payers and the arena.

Every function runs inside a verb's transaction. Ids of transfers are derived from the registration
or the tournament, so that nothing is moved twice.
"""

import uuid
from collections.abc import Iterable, Sequence

from arena.credits import ledger
from arena.credits.prizes import prizes, rake_of
from arena.models import Account, Registration, Tournament, TransferCode

NAMESPACE = uuid.UUID("3e0f6c52-57f5-4b0e-9f0c-3f5f1f1a2b77")


def id_of_house(tournament_id: int, agent_id: int) -> uuid.UUID:
    """The id of a house agent's registration."""
    return uuid.uuid5(NAMESPACE, f"tournament:{tournament_id}:house:{agent_id}")


def hold_fee(registration: Registration) -> None:
    """Set the fee aside until the start. Raises InsufficientCredits."""
    if registration.fee_credits:
        ledger.hold(
            registration.id,
            debit=ledger.account_of(registration.user_id),
            credit=ledger.purse_of(registration.tournament_id),
            amount=registration.fee_credits,
            code=TransferCode.ENTRY_FEE,
            reference=_reference(registration.tournament_id),
        )


def release_fees(tournament: Tournament, registrations: Iterable[Registration]) -> None:
    """Give back what is held, before the start."""
    paid = lock(tournament, registrations)
    for each in paid:
        ledger.void(
            uuid.uuid5(each.id, "void"), pending_id=each.id, reference=_reference(tournament.pk)
        )


def collect(tournament: Tournament, registrations: Iterable[Registration]) -> None:
    """At the start: post what people have held, and take what the house stakes."""
    paid = lock(tournament, registrations)
    for each in paid:
        if each.user.is_house:
            ledger.transfer(
                uuid.uuid5(each.id, "stake"),
                debit=ledger.house_account(),
                credit=ledger.purse_of(tournament.pk),
                amount=each.fee_credits,
                code=TransferCode.ENTRY_FEE,
                reference=_reference(tournament.pk),
            )
        else:
            ledger.post(
                uuid.uuid5(each.id, "post"), pending_id=each.id, reference=_reference(tournament.pk)
            )


def refund(tournament: Tournament, registrations: Iterable[Registration]) -> None:
    """Pay every fee back, after the start."""
    for each in lock(tournament, registrations):
        _pay(each, each.fee_credits, TransferCode.REFUND)


def share_out(tournament: Tournament, placed: Sequence[Registration]) -> None:
    """Pay rake and prizes by place, best first, and note the prizes in the rows.

    Who staked nothing or withdrew shares nothing; if all who staked withdrew, they share.
    """
    staked = lock(tournament, placed)
    sharing = [each for each in staked if each.withdrawn_at is None] or staked
    if not sharing:
        return
    pool = sum(each.fee_credits for each in staked)
    rake = rake_of(pool, percent=tournament.rake_percent)
    shares = prizes(
        [[index] for index in range(len(sharing))],
        pot_credits=pool - rake,
        percents=tournament.prize_percents,
    )
    if rake:
        ledger.transfer(
            uuid.uuid5(NAMESPACE, f"tournament:{tournament.pk}:rake"),
            debit=ledger.purse_of(tournament.pk),
            credit=ledger.fees_account(),
            amount=rake,
            code=TransferCode.RAKE,
            reference=_reference(tournament.pk),
        )
    for index, each in enumerate(sharing):
        if shares[index]:
            each.prize_credits = shares[index]
            each.save(update_fields=["prize_credits"])
            _pay(each, shares[index], TransferCode.PRIZE)


def _pay(registration: Registration, amount: int, code: TransferCode) -> None:
    ledger.transfer(
        uuid.uuid5(registration.id, code.value),
        debit=ledger.purse_of(registration.tournament_id),
        credit=_account(registration),
        amount=amount,
        code=code,
        reference=_reference(registration.tournament_id),
    )


def lock(tournament: Tournament, registrations: Iterable[Registration]) -> list[Registration]:
    """Those that paid, with all accounts locked at once in the order of their ids."""
    paid = [each for each in registrations if each.fee_credits]
    if paid:
        ours = [ledger.purse_of(tournament.pk), ledger.fees_account(), ledger.house_account()]
        accounts = [*ours, *map(_account, sorted(paid, key=lambda each: each.user_id))]
        ledger.lock_accounts(account.id for account in accounts)
    return paid


def _account(registration: Registration) -> Account:
    if registration.user.is_house:
        return ledger.house_account()
    return ledger.account_of(registration.user_id)


def _reference(tournament_id: int) -> str:
    return f"tournament:{tournament_id}"
