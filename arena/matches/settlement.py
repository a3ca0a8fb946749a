"""Credits and places of a match; every function runs inside a verb of `play`.

Ids of transfers are derived from the match or the entry, so that settling twice pays once.
"""

import uuid
from collections.abc import Mapping, Sequence

from arena.credits import ledger
from arena.credits.prizes import Payout
from arena.matches.events import Player
from arena.matches.match import MatchState
from arena.models import Account, Match, TransferCode
from arena.states import MatchStatus
from judges.panel import places_of

_NAMESPACE = uuid.UUID("5b0f6a0e-5a0e-4d0c-9a44-0d6f0f7f1d11")


def collect_fees(match: Match, state: MatchState) -> None:
    """Post the entrants' holds and take the house's stakes into the Space's escrow."""
    escrow = _lock_all(match, state)
    for player in state.seating.players:
        if not player.fee_credits:
            continue
        if player.entry_id:
            hold_id = uuid.UUID(player.entry_id)
            ledger.post(
                uuid.uuid5(hold_id, "post"), pending_id=hold_id, reference=_reference(match.pk)
            )
        else:
            ledger.transfer(
                _id(match.pk, "stake", player.seat),
                debit=ledger.house_account(),
                credit=escrow,
                amount=player.fee_credits,
                code=TransferCode.ENTRY_FEE,
                reference=_reference(match.pk),
            )


def pay(match: Match, state: MatchState, *, payout: Payout) -> None:
    """Pay out the match's part of the escrow: prizes and refunds to the seats, rake to the arena."""
    escrow = _lock_all(match, state)
    for player in state.seating.players:
        if state.refunds.get(player.seat):
            _refund(match, player, escrow)
        if prize := payout.prizes.get(player.seat):
            ledger.transfer(
                _id(match.pk, "prize", player.seat),
                debit=escrow,
                credit=_account(player),
                amount=prize,
                code=TransferCode.PRIZE,
                reference=_reference(match.pk),
            )
    if payout.rake_credits:
        ledger.transfer(
            _id(match.pk, "rake"),
            debit=escrow,
            credit=ledger.fees_account(),
            amount=payout.rake_credits,
            code=TransferCode.RAKE,
            reference=_reference(match.pk),
        )


def give_back(match: Match, state: MatchState) -> None:
    """Return the fees of a cancelled match: void what is held, refund what was posted.

    `state` is the one before the cancellation.
    """
    escrow = _lock_all(match, state)
    for player in state.seating.players:
        if not player.fee_credits:
            continue
        if state.status == MatchStatus.RUNNING:
            _refund(match, player, escrow)
        elif player.entry_id:
            hold_id = uuid.UUID(player.entry_id)
            ledger.void(
                uuid.uuid5(hold_id, "void"), pending_id=hold_id, reference=_reference(match.pk)
            )


def record_places(
    match: Match,
    ranking: Sequence[Sequence[int]],
    *,
    totals: Mapping[int, float],
    prizes: Mapping[int, int],
) -> None:
    """Write rank (tied seats share the better one; None: not ranked), score and prize to the seats."""
    places = places_of(ranking)
    for seat in match.seats.all():
        seat.rank = places.get(seat.index)
        seat.score = totals[seat.index]
        seat.prize_credits = prizes.get(seat.index, 0)
        seat.save(update_fields=["rank", "score", "prize_credits"])


def _refund(match: Match, player: Player, escrow: Account) -> None:
    """Return a fee that was posted."""
    ledger.transfer(
        _id(match.pk, "refund", player.seat),
        debit=escrow,
        credit=_account(player),
        amount=player.fee_credits,
        code=TransferCode.REFUND,
        reference=_reference(match.pk),
    )


def _lock_all(match: Match, state: MatchState) -> Account:
    # All accounts at once and in the order of their ids, so that settlements never deadlock.
    escrow = ledger.escrow_of(match.space_id)
    # An account may be made here: two matches of the same people make them in the same order.
    players = sorted(state.seating.players, key=lambda player: player.user_id)
    accounts = [escrow, ledger.fees_account(), *map(_account, players)]
    return ledger.lock_accounts(account.id for account in accounts)[escrow.id]


def _account(player: Player) -> Account:
    return ledger.account_of(player.user_id) if player.entry_id else ledger.house_account()


def _id(match_id: int, what: str, seat: int | None = None) -> uuid.UUID:
    return uuid.uuid5(_NAMESPACE, f"match:{match_id}:{what}:{seat}")


def _reference(match_id: int) -> str:
    return f"match:{match_id}"
