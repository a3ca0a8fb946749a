"""A user's balance and statement; every line says why credits moved."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import F, Q, QuerySet

from arena.credits.amounts import in_credits
from arena.credits.ledger import Balance, balance
from arena.models import (
    Account,
    Appeal,
    Entry,
    Registration,
    Season,
    Seat,
    Transfer,
    TransferCode,
    TransferKind,
)
from arena.states import MatchStatus

PAGE_ROWS = 30


@dataclass(frozen=True)
class StatementLine:
    """One line. `change_credits` moves the available balance; a held line is not spent yet."""

    transfer_id: str
    at: datetime
    title: str
    detail: str
    change_credits: int
    is_hold: bool
    match_id: int | None
    run_id: int | None
    tournament_id: int | None
    space_slug: str


@dataclass(frozen=True)
class StatementMark:
    """Where a page ends. The id decides between lines of one moment, so that none is skipped."""

    at: datetime
    transfer_id: uuid.UUID

    def __str__(self) -> str:
        return f"{self.at.isoformat()}~{self.transfer_id}"

    @classmethod
    def read(cls, text: str) -> "StatementMark | None":
        """What `str` wrote; None for anything else."""
        at, _, transfer_id = text.partition("~")
        try:
            moment, row_id = datetime.fromisoformat(at), uuid.UUID(transfer_id)
            # In UTC: PostgreSQL knows fewer offsets than Python does.
            return cls(moment.astimezone(UTC), row_id) if moment.tzinfo else None
        except (ValueError, OverflowError):
            return None


@dataclass(frozen=True)
class StatementPage:
    """Newest first."""

    lines: tuple[StatementLine, ...]
    next_before: StatementMark | None  # of the next page; None: this is the last one


@dataclass(frozen=True)
class _About:
    """The entries, seats and registrations that the page's transfers belong to."""

    entries: dict[str, Entry]
    seats: dict[int, Seat]
    seasons: dict[int, Season]
    registrations: dict[int | uuid.UUID, Registration]
    appeals: dict[int, Appeal]


def wallet_balance(viewer: int) -> Balance:
    """The viewer's own credits; nothing before the first top-up."""
    account = Account.objects.filter(owner_id=viewer).first()
    return balance(account) if account else Balance(available=0, held=0)


def line_id_of(row: Transfer) -> uuid.UUID:
    """The transfer in whose line of a statement this one is told."""
    return row.pending_id if _is_told_by_its_hold(row) and row.pending_id else row.id


def statement_page(
    viewer: int, *, before: StatementMark | None = None, line_id: uuid.UUID | None = None
) -> StatementPage:
    """What changed the viewer's available balance, newest first, from that line or mark on.

    A posted hold is shown as paid in its own line: posting all of it moves nothing more, and
    posting a part gives the rest back.
    """
    account = Account.objects.filter(owner_id=viewer).first()
    if account is None:
        return StatementPage((), None)
    own = Q(debit=account) | Q(credit=account)
    if line_id and (first := Transfer.objects.filter(own, id=line_id).first()):
        # After it by the least that PostgreSQL tells apart.
        before = StatementMark(first.created_at + timedelta(microseconds=1), uuid.UUID(int=0))
    # The newest of each side by its index: the two together would be sorted whole.
    ids = [
        row_id
        for side in (Q(debit=account), Q(credit=account))
        for row_id in _newest(Transfer.objects.filter(side), before)
    ]
    page = list(
        Transfer.objects.filter(id__in=ids)
        .select_related("debit", "credit", "resolution", "pending")
        .order_by("-created_at", "-id")[: PAGE_ROWS + 1]
    )
    about = _About(
        _entries_of(page),
        _seats_of(page, viewer),
        _seasons_of(page),
        _registrations_of(page, viewer),
        _appeals_of(page),
    )
    lines = tuple(_line(row, viewer, about) for row in page[:PAGE_ROWS])
    if len(page) <= PAGE_ROWS:
        return StatementPage(lines, None)
    last = page[PAGE_ROWS - 1]
    return StatementPage(lines, StatementMark(last.created_at, last.pk))


def _newest(
    rows: QuerySet[Transfer], before: StatementMark | None
) -> QuerySet[Transfer, uuid.UUID]:
    if before is not None:
        later = Q(created_at=before.at, id__gte=before.transfer_id)
        rows = rows.filter(created_at__lte=before.at).exclude(later)
    shown = rows.exclude(kind=TransferKind.POST, amount_credits=F("pending__amount_credits"))
    return shown.order_by("-created_at", "-id").values_list("id", flat=True)[: PAGE_ROWS + 1]


def _seats_of(rows: list[Transfer], user_id: int) -> dict[int, Seat]:
    """match id -> the user's seat in it; an owner never has two seats."""
    matches = [match for row in rows if (match := _id_of("match", row.reference)) is not None]
    found = Seat.objects.filter(match_id__in=matches, agent__owner_id=user_id)
    return {seat.match_id: seat for seat in found.select_related("agent", "match__space")}


def _seasons_of(rows: list[Transfer]) -> dict[int, Season]:
    ids = [season for row in rows if (season := _id_of("season", row.reference)) is not None]
    return Season.objects.select_related("space").in_bulk(ids) if ids else {}


def _entries_of(rows: list[Transfer]) -> dict[str, Entry]:
    """The hold's id is the entry's id."""
    ids = [row.pending_id or row.id for row in rows if row.code == TransferCode.ENTRY_FEE]
    found = Entry.objects.filter(id__in=ids).select_related("agent", "space")
    return {str(entry.id): entry for entry in found}


def _registrations_of(rows: list[Transfer], user_id: int) -> dict[int | uuid.UUID, Registration]:
    """Each by its own id, which is its fee's hold, and the user's last by the tournament's id, too."""
    ids = [found for row in rows if (found := _id_of("tournament", row.reference)) is not None]
    own = Registration.objects.filter(tournament_id__in=ids, user_id=user_id)
    own = own.select_related("agent", "tournament").order_by("created_at")
    return {key: each for each in own for key in (each.pk, each.tournament_id)}


def _appeals_of(rows: list[Transfer]) -> dict[int, Appeal]:
    ids = [found for row in rows if (found := _id_of("appeal", row.reference)) is not None]
    return Appeal.objects.select_related("seat__agent", "round").in_bulk(ids) if ids else {}


def _line(row: Transfer, user_id: int, about: _About) -> StatementLine:
    entry = about.entries.get(str(row.pending_id or row.id))
    match_id = _id_of("match", row.reference) or (entry.match_id if entry else None)
    seat = about.seats.get(match_id) if match_id is not None else None
    sign = -1 if row.debit.owner_id == user_id else 1
    is_open_hold = row.kind == TransferKind.PENDING and not hasattr(row, "resolution")
    season = about.seasons.get(_id_of("season", row.reference) or 0)
    tournament_id = _id_of("tournament", row.reference)
    appeal = about.appeals.get(_id_of("appeal", row.reference) or 0)
    if appeal:
        match_id = appeal.round.match_id
    registration = None
    if tournament_id is not None:
        found = about.registrations
        registration = found.get(row.pending_id or row.id) or found.get(tournament_id)
    if registration:
        title, detail = _words_of_tournament(row, registration, is_open_hold=is_open_hold)
    elif appeal:
        title, detail = _words_of_appeal(row, appeal, is_open_hold=is_open_hold)
    else:
        title, detail = _words(row, entry, seat, season, is_open_hold=is_open_hold)
    change = sign * row.amount_credits
    if row.pending is not None:
        # What was held and is not posted comes back to the payer.
        posted = row.amount_credits if row.kind == TransferKind.POST else 0
        change = row.pending.amount_credits - posted
    return StatementLine(
        transfer_id=str(row.id),
        at=row.created_at,
        title=title,
        detail=detail,
        change_credits=change,
        is_hold=is_open_hold,
        match_id=match_id,
        run_id=_id_of("run", row.reference),
        tournament_id=tournament_id,
        space_slug=entry.space.slug if entry else season.space.slug if season else "",
    )


def _words(
    row: Transfer,
    entry: Entry | None,
    seat: Seat | None,
    season: Season | None,
    *,
    is_open_hold: bool,
) -> tuple[str, str]:
    who = f"{entry.agent.name} into {entry.space.name}" if entry else ""
    match row.code:
        case TransferCode.TOP_UP:
            return "Sandbox top-up", "Free credits for trying the arena; they cannot be paid out."
        case TransferCode.ENTRY_FEE if row.kind == TransferKind.VOID:
            reason = entry.cancel_reason if entry else ""
            return "Entry fee returned", reason or f"{who} was not played.".strip()
        case TransferCode.ENTRY_FEE if is_open_hold:
            return (
                "Entry fee held",
                f"{who}. Paid when the match starts, returned if it does not start.",
            )
        case TransferCode.ENTRY_FEE:
            return "Entry fee", who
        case TransferCode.PRIZE:
            if seat is None or seat.rank is None:
                return "Prize", "Your agent's share of the pot for its rank."
            return (
                "Prize",
                f"{seat.agent.name} finished at rank {seat.rank} in {seat.match.space.name}.",
            )
        case TransferCode.RAKE:
            return "Arena's share", "Taken from the pool before prizes."
        case TransferCode.TRAINING if row.kind == TransferKind.VOID:
            return "Training price returned", "The run ended before training was done."
        case TransferCode.TRAINING if row.kind == TransferKind.POST:
            return (
                "Rest of a training price returned",
                f"The run ended early; what it had used cost {in_credits(row.amount_credits)}.",
            )
        case TransferCode.TRAINING if is_open_hold:
            return (
                "Training price held",
                "Paid once training is done; what a run that ends before that did not use comes back.",
            )
        case TransferCode.TRAINING if _is_whole(row):
            return "Training", "A run trained a new version."
        case TransferCode.TRAINING:
            return "Training price held", "The run ended before training was done."
        case TransferCode.REFUND if _id_of("run", row.reference):
            return "Refund", "The new version could not be evaluated, so nobody pays for it."
        case TransferCode.REFUND if seat and seat.match.status == MatchStatus.SETTLED:
            return "Refund", f"{seat.agent.name} answered in no round, so it did not compete."
        case TransferCode.REFUND:
            return "Refund", "The match could not be finished, so nobody pays for it."
        case TransferCode.SEASON:
            where = f"{season.month:%B %Y} in {season.space.name}" if season else "a month"
            return "Season prize", f"One of your agents was among the best of {where}."
        case TransferCode.BOUNTY if row.kind == TransferKind.VOID:
            return "Bounty fee returned", "The judge could not be asked often enough."
        case TransferCode.BOUNTY if is_open_hold:
            return "Bounty fee held", "Paid once your attack on a judge has been tried."
        case TransferCode.BOUNTY if row.kind == TransferKind.POSTED:
            return "Bounty", "Your attack fooled a judge."
        case TransferCode.BOUNTY:
            return "Bounty fee", "Your attack on a judge was tried."
        case TransferCode.TALK if row.kind == TransferKind.VOID:
            return (
                "Price of a talk returned",
                "No answer came, or what you had paid before was enough.",
            )
        case TransferCode.TALK if row.kind == TransferKind.POST:
            return (
                "Rest of a talk's price returned",
                "The answer was shorter than it might have been.",
            )
        case TransferCode.TALK if is_open_hold:
            return "Price of a talk held", "Paid for what the answer uses, once it has ended."
        case TransferCode.TALK:
            return "Talking to your agents", "Tokens that are left pay for what you ask next."
        case TransferCode.FORFEIT:
            return "Given up", "The account was deleted with these credits in it."
        case _:
            return row.code, ""


def _words_of_tournament(
    row: Transfer, registration: Registration, *, is_open_hold: bool
) -> tuple[str, str]:
    name, agent = registration.tournament.name, registration.agent.name
    match row.code:
        case TransferCode.PRIZE:
            return "Prize", f"{agent} took place {registration.place} in {name}."
        case TransferCode.REFUND:
            return "Refund", f"{name} was cancelled. {registration.tournament.note}"
        case TransferCode.ENTRY_FEE if row.kind == TransferKind.VOID:
            return "Tournament fee returned", f"{agent} did not play in {name}."
        case TransferCode.ENTRY_FEE if is_open_hold:
            return (
                "Tournament fee held",
                f"{agent} in {name}. Paid when it starts; until then it comes back on withdrawal.",
            )
        case _:
            return "Tournament fee", f"{agent} in {name}."


def _words_of_appeal(row: Transfer, appeal: Appeal, *, is_open_hold: bool) -> tuple[str, str]:
    what = f"{appeal.seat.agent.name}, round {appeal.round.number}"
    if row.kind == TransferKind.VOID:
        return "Appeal fee returned", f"{what}. {appeal.note or 'The order changed.'}"
    if is_open_hold:
        return "Appeal fee held", f"{what}. It comes back if the other panel changes the order."
    return "Appeal fee", what


def _is_told_by_its_hold(row: Transfer) -> bool:
    return (
        row.kind == TransferKind.POST
        and row.pending is not None
        and row.amount_credits == row.pending.amount_credits
    )


def _is_whole(hold: Transfer) -> bool:
    """Whether a resolved hold was posted to its full amount."""
    resolution = hold.resolution
    return resolution.kind == TransferKind.POST and resolution.amount_credits == hold.amount_credits


def _id_of(kind: str, reference: str) -> int | None:
    """12 of "match:12", for that kind of reference."""
    found, _, number = reference.partition(":")
    return int(number) if found == kind and number.isdecimal() else None
