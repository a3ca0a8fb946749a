"""What a Space's fee buys: its prize rule with the numbers of a full match, in words and as a picture."""

from dataclasses import dataclass

from arena.credits.amounts import in_credits
from arena.credits.prizes import Payout, payout
from arena.models import Terms
from arena.states import PrizeRule

_PLACES = ("First", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")


@dataclass(frozen=True)
class PrizeLine:
    """What one seat gets in an example; `share` in [0, 1] is the length of its bar."""

    label: str
    amount_credits: int
    share: float


@dataclass(frozen=True)
class FeeTier:
    """One fee of a Space; `words` and `lines` are empty where it is free."""

    fee_credits: int
    words: str
    lines: tuple[PrizeLine, ...]

    @property
    def most_credits(self) -> int:
        """What the best seat of a full match without ties gets in the example."""
        return max((line.amount_credits for line in self.lines), default=0)


def fee_tier(fee_credits: int, *, seat_count: int, terms: Terms) -> FeeTier:
    """The tier of a Space with these terms."""
    if not fee_credits:
        return FeeTier(0, "", ())
    table = _Table(fee_credits, seat_count, terms)
    pool = fee_credits * seat_count
    paid = f"{seat_count} seats pay {in_credits(fee_credits)} each: {pool:,}."
    words, lines = table.explained()
    return FeeTier(fee_credits, f"{paid} {words}", lines)


@dataclass(frozen=True)
class _Table:
    """A full match in which every seat staked the fee."""

    fee: int
    seat_count: int
    terms: Terms

    @property
    def pool(self) -> int:
        return self.fee * self.seat_count

    def explained(self) -> tuple[str, tuple[PrizeLine, ...]]:
        # Evenly spaced, the best one first: 80, 60, 40, 20 points.
        scores = [1 - (seat + 1) / (self.seat_count + 1) for seat in range(self.seat_count)]
        example = self.payout(scores)
        prizes = [example.prizes[seat] for seat in range(self.seat_count)]
        keeps = f"The arena keeps {example.rake_credits:,}."
        match self.terms.prize_rule:
            case PrizeRule.WINNER:
                words = f"{keeps} The winner gets {prizes[0]:,}, the others nothing."
                return words, self.bars(["1st"], prizes)
            case PrizeRule.PLACES:
                paid = [prize for prize in prizes if prize]
                named = zip(_PLACES, paid, strict=False)
                words = f"{keeps} {', '.join(f'{place} {prize:,}' for place, prize in named)}."
                return words, self.bars([_ordinal(n + 1) for n in range(len(paid))], paid)
            case PrizeRule.SCORE:
                words = (
                    f"{keeps} The other {self.pool - example.rake_credits:,} are shared in "
                    "proportion to the points, for example:"
                )
                return words, self.bars([f"{score * 100:.0f} points" for score in scores], prizes)
            case PrizeRule.DUEL:
                words = (
                    f"The winner gets its own fee back and the loser\u2019s {self.fee:,}, less "
                    f"{example.rake_credits:,} for the arena. A draw gives both their fees back."
                )
                drawn = self.payout([0.5] * self.seat_count).prizes[0]
                return words, self.bars(["Winner", "Loser", "Draw"], [*prizes, drawn])
            case PrizeRule.COOPERATIVE:
                most = self.payout([0.0] * self.seat_count).rake_credits
                words = (
                    "All are paid alike, and the more they reach together, the more. The arena keeps "
                    f"{self.terms.rake_percent}% of what they do not reach: nothing if they reach "
                    f"everything, {most:,} if they reach nothing."
                )
                reached = (1.0, 0.75, 0.5, 0.0)
                each = [min(self.payout([r] * self.seat_count).prizes.values()) for r in reached]
                return words, self.bars([f"{r:.0%} reached" for r in reached], each, of=self.fee)

    def payout(self, scores: list[float]) -> Payout:
        best_first = sorted(set(scores), reverse=True)
        return payout(
            self.terms.prize_rule,
            stakes=dict.fromkeys(range(self.seat_count), self.fee),
            ranking=[
                [seat for seat, score in enumerate(scores) if score == each] for each in best_first
            ],
            scores=dict(enumerate(scores)),
            rake_percent=self.terms.rake_percent,
            percents=self.terms.prize_percents,
        )

    def bars(
        self, labels: list[str], amounts: list[int], *, of: int | None = None
    ) -> tuple[PrizeLine, ...]:
        return tuple(
            PrizeLine(label, amount, amount / (of or self.pool))
            for label, amount in zip(labels, amounts, strict=False)
        )


def _ordinal(place: int) -> str:
    return f"{place}{('st', 'nd', 'rd')[place - 1] if place < 4 else 'th'}"
