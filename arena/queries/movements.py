"""Every movement of a match in the ledger, as anybody may see it."""

from dataclasses import dataclass
from datetime import datetime

from agents.errors import NotAvailable
from arena.credits.statement import line_id_of
from arena.models import Account, AccountKind, Entry, Match, Transfer, TransferCode, TransferKind


@dataclass(frozen=True)
class Movement:
    """One transfer of a match; the viewer's own have ids: their own, and their line's in the statement."""

    at: datetime
    why: str
    payer: str
    receiver: str
    amount_credits: int
    is_hold: bool  # set aside or set free, not moved
    transfer_id: str
    line_id: str


@dataclass(frozen=True)
class MatchCredits:
    """A match with its movements, oldest first."""

    match_id: int
    space_slug: str
    space_name: str
    movements: tuple[Movement, ...]


def match_credits(match_id: int, *, viewer: int | None) -> MatchCredits:
    """What the ledger has of the match, holds before it was seated included. Raises NotAvailable."""
    match = Match.objects.select_related("space").filter(id=match_id).first()
    if match is None:
        raise NotAvailable("There is no such match.")
    # Each by its index: joined by "or", every transfer would be read.
    paid = Transfer.objects.filter(reference=f"match:{match_id}").values_list("id", flat=True)
    held = Entry.objects.filter(match=match).values_list("id", flat=True)
    rows = (
        Transfer.objects.filter(id__in=[*paid, *held])
        .select_related("debit__owner", "credit__owner", "pending")
        .order_by("created_at", "id")
    )
    return MatchCredits(
        match_id=match.pk,
        space_slug=match.space.slug,
        space_name=match.space.name,
        movements=tuple(_movement(row, viewer) for row in rows),
    )


def _movement(row: Transfer, viewer: int | None) -> Movement:
    is_viewers = viewer is not None and viewer in (row.debit.owner_id, row.credit.owner_id)
    return Movement(
        at=row.created_at,
        why=_why(row),
        payer=_name(row.debit),
        receiver=_name(row.credit),
        amount_credits=row.amount_credits,
        is_hold=row.kind in (TransferKind.PENDING, TransferKind.VOID),
        transfer_id=str(row.id) if is_viewers else "",
        line_id=str(line_id_of(row)) if is_viewers else "",
    )


def _why(row: Transfer) -> str:
    match row.code, row.kind:
        case TransferCode.ENTRY_FEE, TransferKind.PENDING:
            return "Entry fee held"
        case TransferCode.ENTRY_FEE, TransferKind.VOID:
            return "Entry fee released"
        case TransferCode.ENTRY_FEE, TransferKind.POST:
            return "Entry fee paid"
        case TransferCode.ENTRY_FEE, _:
            return "The house\u2019s stake"
        case TransferCode.PRIZE, _:
            return "Prize"
        case TransferCode.RAKE, _:
            return "Arena\u2019s share"
        case TransferCode.REFUND, _:
            return "Fee returned"
        case _:
            return row.code


def _name(account: Account) -> str:
    match account.kind:
        case AccountKind.USER:
            return account.owner.username if account.owner else account.key
        case AccountKind.ESCROW:
            return "pool"
        case AccountKind.HOUSE:
            return "house"
        case AccountKind.FEES:
            return "arena"
        case _:
            return account.key
