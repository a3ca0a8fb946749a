"""Double-entry credits: transfers and two-phase holds over immutable rows.

The rules follow TigerBeetle's data model: the caller chooses a transfer's id, so that a replay
is recognised ("exists") and never applied twice; a hold is a pending transfer that is later
posted (whole or in part) or voided, once. Every verb here runs inside the caller's transaction, which is what makes
a match's settlement and its credits one fact.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from django.db import IntegrityError, connection
from django.db.models import Count, F, Q, Sum

from agents.errors import Refused
from arena.models.ledger import Account, AccountKind, Transfer, TransferCode, TransferKind

MAX_AMOUNT_CREDITS = 1_000_000_000


class InsufficientCredits(Refused):
    """The account does not have enough available credits."""


class TransferConflict(Exception):
    """The id was used before with other content, or the hold was resolved differently."""


@dataclass(frozen=True)
class Balance:
    """Credits of one account."""

    available: int
    held: int


@dataclass(frozen=True)
class AuditResult:
    """What `audit` found; no problems means every sum agrees."""

    accounts: int
    transfers: int
    credits_in_circulation: int
    credits_held: int
    problems: tuple[str, ...]


def account_of(owner_id: int) -> Account:
    """The user's account, created at first use."""
    return _account(AccountKind.USER, f"user:{owner_id}", owner_id=owner_id)


def escrow_of(space_id: int) -> Account:
    """Where a Space keeps fees between the start of a match and its settlement."""
    return _account(AccountKind.ESCROW, f"space:{space_id}")


def purse_of(tournament_id: int) -> Account:
    """Where a tournament keeps fees between its start and its end."""
    return _account(AccountKind.ESCROW, f"tournament:{tournament_id}")


def house_account() -> Account:
    """The house's stake; may be overdrawn."""
    return _account(AccountKind.HOUSE, "house")


def fees_account() -> Account:
    """The arena's income."""
    return _account(AccountKind.FEES, "fees")


def issuance_account() -> Account:
    """Where sandbox credits come from; its debit is the total ever issued."""
    return _account(AccountKind.ISSUANCE, "issuance")


def balance(account: Account) -> Balance:
    """Available and held credits according to this row, which is not reloaded."""
    return Balance(
        available=account.credits_posted - account.debits_posted - account.debits_pending,
        held=account.debits_pending,
    )


def transfer(
    transfer_id: uuid.UUID,
    *,
    debit: Account,
    credit: Account,
    amount: int,
    code: TransferCode,
    reference: str = "",
) -> Transfer:
    """Move credits now.

    Raises InsufficientCredits, or TransferConflict if the id was used with other content.
    """
    return _write(
        Transfer(
            id=transfer_id,
            kind=TransferKind.POSTED,
            debit=debit,
            credit=credit,
            amount_credits=amount,
            code=code,
            reference=reference,
        )
    )


def hold(
    transfer_id: uuid.UUID,
    *,
    debit: Account,
    credit: Account,
    amount: int,
    code: TransferCode,
    reference: str = "",
) -> Transfer:
    """Set credits aside for a later `post` or `void`. Raises as `transfer` does."""
    return _write(
        Transfer(
            id=transfer_id,
            kind=TransferKind.PENDING,
            debit=debit,
            credit=credit,
            amount_credits=amount,
            code=code,
            reference=reference,
        )
    )


def post(
    transfer_id: uuid.UUID,
    *,
    pending_id: uuid.UUID,
    amount: int | None = None,
    reference: str = "",
) -> Transfer:
    """Turn a hold into a posted transfer; what `amount` leaves of it is released.

    None posts all of it. Raises TransferConflict for more than was held or for nothing.
    """
    return _resolve(transfer_id, TransferKind.POST, pending_id, reference, amount=amount)


def void(transfer_id: uuid.UUID, *, pending_id: uuid.UUID, reference: str = "") -> Transfer:
    """Release a hold."""
    return _resolve(transfer_id, TransferKind.VOID, pending_id, reference)


def check_given_id(given: uuid.UUID) -> None:
    """Refuse an id that none of our forms would issue.

    The arena derives version 5 ids for its own transfers. A caller who could choose one of those
    would block a prize or a refund for good, because transfers never change.
    """
    if given.version != 4:
        raise Refused("This form was not made by the arena; reload the page and try again.")


def lock_accounts(account_ids: Iterable[int]) -> dict[int, Account]:
    """Lock account rows in the order of their ids, so that settlements never deadlock."""
    rows = Account.objects.select_for_update(no_key=True)
    rows = rows.filter(id__in=set(account_ids)).order_by("id")
    return {account.id: account for account in rows}


def audit() -> AuditResult:
    """Re-add every transfer and compare with the accounts' running sums."""
    problems = []
    expected = _sums_from_transfers()
    accounts = list(Account.objects.order_by("id"))
    for account in accounts:
        found = (
            account.debits_posted,
            account.credits_posted,
            account.debits_pending,
            account.credits_pending,
        )
        wanted = expected.get(account.id, (0, 0, 0, 0))
        if found != wanted:
            problems.append(
                f"{account.key}: debits/credits posted, debits/credits pending are {found}, "
                f"its transfers add up to {wanted}"
            )
        if not account.may_overdraw and balance(account).available < 0:
            problems.append(f"{account.key}: overdrawn by {-balance(account).available}")
    for side in ("posted", "pending"):
        debits = sum(getattr(account, f"debits_{side}") for account in accounts)
        credits = sum(getattr(account, f"credits_{side}") for account in accounts)
        if debits != credits:
            problems.append(f"{side}: debits {debits} differ from credits {credits}")
    problems += _resolution_problems()
    circulating = sum(
        account.credits_posted - account.debits_posted
        for account in accounts
        if account.kind != AccountKind.ISSUANCE
    )
    return AuditResult(
        accounts=len(accounts),
        transfers=Transfer.objects.count(),
        credits_in_circulation=circulating,
        credits_held=sum(account.debits_pending for account in accounts),
        problems=tuple(problems),
    )


def _account(kind: AccountKind, key: str, owner_id: int | None = None) -> Account:
    account, _ = Account.objects.get_or_create(
        key=key,
        defaults={"kind": kind, "owner_id": owner_id, "may_overdraw": kind.may_overdraw},
    )
    return account


def _write(new: Transfer) -> Transfer:
    assert connection.in_atomic_block, "a transfer belongs to its caller's transaction"
    if not 0 < new.amount_credits <= MAX_AMOUNT_CREDITS:
        raise Refused(f"The amount must be between 1 and {MAX_AMOUNT_CREDITS:,} credits.")
    accounts = lock_accounts([new.debit_id, new.credit_id])
    # With the accounts locked, a concurrent replay of this id has either finished or is waiting.
    if old := Transfer.objects.filter(id=new.id).first():
        if _content(old) != _content(new):
            raise TransferConflict(f"transfer {new.id} exists with other content")
        return old
    debit, credit = accounts[new.debit_id], accounts[new.credit_id]
    available = balance(debit).available
    if not debit.may_overdraw and available < new.amount_credits:
        raise InsufficientCredits(
            f"Credits needed: {new.amount_credits:,}; available: {max(available, 0):,}."
        )
    side = "pending" if new.kind == TransferKind.PENDING else "posted"
    _add(debit, f"debits_{side}", new.amount_credits)
    _add(credit, f"credits_{side}", new.amount_credits)
    return _insert(new)


def _resolve(
    transfer_id: uuid.UUID,
    kind: TransferKind,
    pending_id: uuid.UUID,
    reference: str,
    *,
    amount: int | None = None,
) -> Transfer:
    assert connection.in_atomic_block, "a transfer belongs to its caller's transaction"
    pending = Transfer.objects.get(id=pending_id, kind=TransferKind.PENDING)
    held = pending.amount_credits
    if amount is not None and not 0 < amount <= held:
        raise TransferConflict(
            f"hold {pending_id} is of {held} credits, so {amount} cannot be posted"
        )
    accounts = lock_accounts([pending.debit_id, pending.credit_id])
    new = Transfer(
        id=transfer_id,
        kind=kind,
        debit_id=pending.debit_id,
        credit_id=pending.credit_id,
        amount_credits=held if amount is None else amount,
        code=pending.code,
        pending=pending,
        reference=reference,
    )
    if old := Transfer.objects.filter(Q(id=transfer_id) | Q(pending_id=pending_id)).first():
        if _content(old) != _content(new):
            raise TransferConflict(f"hold {pending_id} was resolved before ({old.kind})")
        return old
    debit, credit = accounts[pending.debit_id], accounts[pending.credit_id]
    _add(debit, "debits_pending", -held)
    _add(credit, "credits_pending", -held)
    if kind == TransferKind.POST:
        _add(debit, "debits_posted", new.amount_credits)
        _add(credit, "credits_posted", new.amount_credits)
    return _insert(new)


def _insert(new: Transfer) -> Transfer:
    try:
        new.save(force_insert=True)
    except IntegrityError as error:
        # It was between other accounts, so the locks did not overlap: the id itself collides.
        raise TransferConflict(f"transfer {new.id} exists with other content") from error
    return new


def _add(account: Account, field: str, amount: int) -> None:
    setattr(account, field, getattr(account, field) + amount)
    account.save(update_fields=[field])


def _content(row: Transfer) -> tuple[object, ...]:
    return (
        row.id,
        str(row.kind),
        row.debit_id,
        row.credit_id,
        row.amount_credits,
        str(row.code),
        row.pending_id,
        row.reference,
    )


def _sums_from_transfers() -> dict[int, tuple[int, int, int, int]]:
    """account id -> (debits posted, credits posted, debits pending, credits pending)."""
    moved = Q(kind__in=[TransferKind.POSTED, TransferKind.POST])
    still_held = Q(kind=TransferKind.PENDING, resolution=None)
    sums: dict[int, list[int]] = {}
    for position, (side, condition) in enumerate(
        [("debit", moved), ("credit", moved), ("debit", still_held), ("credit", still_held)]
    ):
        rows = Transfer.objects.filter(condition).values_list(side).annotate(Sum("amount_credits"))
        for account_id, total in rows:
            sums.setdefault(account_id, [0, 0, 0, 0])[position] = total
    return {key: (value[0], value[1], value[2], value[3]) for key, value in sums.items()}


def _resolution_problems() -> list[str]:
    whole = Q(amount_credits=F("pending__amount_credits"))
    part = Q(kind=TransferKind.POST, amount_credits__lt=F("pending__amount_credits"))
    differing = Transfer.objects.filter(pending__isnull=False).exclude(
        whole | part,
        debit=F("pending__debit"),
        credit=F("pending__credit"),
        code=F("pending__code"),
    )
    twice = (
        Transfer.objects.filter(pending__isnull=False)
        .values("pending")
        .annotate(times=Count("id"))
        .filter(times__gt=1)
    )
    return [f"transfer {row.id} differs from its hold" for row in differing] + [
        f"hold {row['pending']} was resolved {row['times']} times" for row in twice
    ]
