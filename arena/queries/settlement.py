"""Where every credit of a match came from and went, according to its events."""

from dataclasses import dataclass

from arena.matches.events import MatchSeated, MatchSettled, Player, decode
from arena.matches.match import among
from arena.models import MatchEvent, Seat
from arena.queries.lists import Competitor


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

    A seat that never answered got its fee back: it is in `returned`, not in `fees` and the pool.
    """

    fees: tuple[CreditLine, ...]
    returned: tuple[CreditLine, ...]
    pool_credits: int
    rake_credits: int
    rake_percent: int
    prizes: tuple[CreditLine, ...]
    is_refunded: bool

    @property
    def pot_credits(self) -> int:
        return self.pool_credits - self.rake_credits


def settlement_of(match_id: int) -> Settlement | None:
    """Fees, pool, rake and prizes, line by line; None while the match is still open."""
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
    names = {
        seat.index: Competitor.of(seat.agent)
        for seat in Seat.objects.filter(match_id=match_id).select_related("agent__owner")
    }
    settled = result if isinstance(result, MatchSettled) else None
    silent = {int(seat) for seat in settled.refunds} if settled else set()
    fees = tuple(
        CreditLine(
            seat=player.seat,
            label=f"Entry fee, {names[player.seat].name}",
            detail=_detail_of_fee(player, names[player.seat], is_silent=player.seat in silent),
            amount_credits=player.fee_credits,
        )
        for player in seating.players
    )
    return Settlement(
        fees=tuple(line for line in fees if line.seat not in silent),
        returned=tuple(line for line in fees if line.seat in silent),
        pool_credits=sum(line.amount_credits for line in fees if line.seat not in silent),
        rake_credits=settled.rake_credits if settled else 0,
        rake_percent=seating.rake_percent,
        prizes=_prizes(settled, seating, names) if settled else (),
        is_refunded=is_cancelled,
    )


def _detail_of_fee(player: Player, who: Competitor, *, is_silent: bool) -> str:
    if is_silent:
        return "answered in no round: not ranked, not rated"
    if player.entry_id:
        return f"held when {who.owner} entered"
    if not player.fee_credits:
        return "the house has staked its share for today and takes no prize"
    return "the house pays for its own seats"


def _prizes(
    settled: MatchSettled, seating: MatchSeated, names: dict[int, Competitor]
) -> tuple[CreditLine, ...]:
    lines, place = [], 0
    # Seats that staked nothing, as the house may, share no prizes.
    for group in among(settled.ranking, {int(seat) for seat in settled.prizes}):
        percents = seating.prize_percents[place : place + len(group)]
        for seat in group:
            share = sum(percents)
            detail = f"{share}% of the pot for rank {place + 1}"
            if len(group) > 1:
                detail = (
                    f"shares rank {place + 1} with {len(group) - 1} other"
                    f"{'s' if len(group) > 2 else ''}: {share}% of the pot in {len(group)} parts"
                )
            amount = settled.prizes.get(str(seat), 0)
            lines.append(CreditLine(seat, f"Prize, {names[seat].name}", detail, amount))
        place += len(group)
    return tuple(lines)
