"""Where every credit of a match came from and went, according to its events."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from arena.matches.events import MatchSeated, MatchSettled, Player, decode
from arena.matches.match import among
from arena.models import MatchEvent, Pairing, Seat
from arena.queries.lists import Competitor
from arena.states import PrizeRule

_RAKED = {
    PrizeRule.WINNER: "the pool",
    PrizeRule.PLACES: "the pool",
    PrizeRule.SCORE: "the pool",
    PrizeRule.DUEL: "what the loser paid",
    PrizeRule.COOPERATIVE: "what was not reached",
}


@dataclass(frozen=True)
class CreditLine:
    """One movement with its reason in words; `seat` sets its colour."""

    seat: int
    label: str
    detail: str
    amount_credits: int


@dataclass(frozen=True)
class Settlement:
    """A match's money: fees = pool = rake + prizes; cancelled: fees = refunds.

    A seat that never answered got its fee back if it had paid one: that is in `returned`, not in
    `fees` and the pool.
    """

    fees: tuple[CreditLine, ...]
    returned: tuple[CreditLine, ...]
    pool_credits: int
    rake_credits: int
    rake_detail: str
    prizes: tuple[CreditLine, ...]
    is_refunded: bool

    @property
    def pot_credits(self) -> int:
        return self.pool_credits - self.rake_credits

    @property
    def returned_seats(self) -> frozenset[int]:
        return frozenset(line.seat for line in self.returned)


def settlement_of(match_id: int) -> Settlement | None:
    """Fees, pool, rake and prizes, line by line.

    None while the match is still open, for one of a tournament, which has its own fees, and for
    practice.
    """
    if Pairing.objects.filter(match_id=match_id).exists():
        return None
    events = {
        row.kind: decode(row.kind, row.payload)
        for row in MatchEvent.objects.filter(
            match_id=match_id, kind__in=["match_seated", "match_settled", "match_cancelled"]
        )
    }
    seating, result = events.get("match_seated"), events.get("match_settled")
    is_cancelled = "match_cancelled" in events
    if not isinstance(seating, MatchSeated) or (result is None and not is_cancelled):
        return None
    if seating.is_practice:
        return None
    names = {
        seat.index: Competitor.of(seat.agent)
        for seat in Seat.objects.filter(match_id=match_id).select_related("agent__owner")
    }
    settled = result if isinstance(result, MatchSettled) else None
    silent = {int(seat) for seat in settled.refunds} if settled else set()
    is_free = not any(player.fee_credits for player in seating.players)
    fees = tuple(
        CreditLine(
            seat=player.seat,
            label=f"Entry fee, {names[player.seat].name}",
            detail=_detail_of_fee(
                player,
                names[player.seat],
                is_silent=player.seat in silent,
                is_free=is_free,
            ),
            amount_credits=player.fee_credits,
        )
        for player in seating.players
    )
    returned = tuple(line for line in fees if line.seat in silent and line.amount_credits)
    paid = tuple(line for line in fees if line not in returned)
    return Settlement(
        fees=paid,
        returned=returned,
        pool_credits=sum(line.amount_credits for line in paid),
        rake_credits=settled.rake_credits if settled else 0,
        rake_detail=f"{seating.rake_percent}% of {_RAKED[seating.prize_rule]}, rounded down",
        prizes=_prizes(settled, seating, names) if settled else (),
        is_refunded=is_cancelled,
    )


def _detail_of_fee(player: Player, who: Competitor, *, is_silent: bool, is_free: bool) -> str:
    if is_silent:
        return "answered in no round: not ranked, not rated"
    if is_free:
        return "free"
    if player.entry_id:
        return f"held when {who.owner} entered"
    if not player.fee_credits:
        return "the house has staked its share for today and takes no prize"
    return "the house pays for its own seats"


def _prizes(
    settled: MatchSettled, seating: MatchSeated, names: dict[int, Competitor]
) -> tuple[CreditLine, ...]:
    # Seats that staked nothing, as the house may, share no prizes.
    ranking = among(settled.ranking, {int(seat) for seat in settled.prizes})
    return tuple(
        CreditLine(
            seat,
            f"Prize, {names[seat].name}",
            detail,
            settled.prizes.get(str(seat), 0),
        )
        for seat, detail in _reasons(settled, seating, ranking).items()
    )


def _reasons(
    settled: MatchSettled, seating: MatchSeated, ranking: tuple[tuple[int, ...], ...]
) -> dict[int, str]:
    """Why each seat got its prize, best first."""
    seats = [seat for group in ranking for seat in group]
    match seating.prize_rule:
        case PrizeRule.WINNER:
            return _by_place(ranking, (100,))
        case PrizeRule.PLACES:
            return _by_place(ranking, seating.prize_percents)
        case PrizeRule.SCORE:
            points = {seat: settled.totals[str(seat)] for seat in seats}
            whole = sum(points.values())
            return {
                seat: f"{points[seat] / whole:.1%} of all points" if whole else "nobody has a point"
                for seat in seats
            }
        case PrizeRule.DUEL:
            if len(ranking) == 1:
                return dict.fromkeys(seats, "its own fee: nobody won it")
            return dict.fromkeys(seats, "its own fee, and what the loser paid without the rake")
        case PrizeRule.COOPERATIVE:
            return dict.fromkeys(seats, "all are paid alike")
        case _:
            assert_never(seating.prize_rule)


def _by_place(ranking: tuple[tuple[int, ...], ...], percents: Sequence[int]) -> dict[int, str]:
    reasons: dict[int, str] = {}
    place = 0
    for group in ranking:
        share = sum(percents[place : place + len(group)])
        detail = f"{share}% of the pot for rank {place + 1}"
        if len(group) > 1:
            detail = (
                f"shares rank {place + 1} with {len(group) - 1} other"
                f"{'s' if len(group) > 2 else ''}: {share}% of the pot in {len(group)} parts"
            )
        reasons |= dict.fromkeys(group, detail)
        place += len(group)
    return reasons
