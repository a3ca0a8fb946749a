"""A sealed-bid auction after the bidding of textarena's SimpleBlindAuction-v0. Pure.

Lots are sold one after the other, each to the highest bid; at a tie nobody gets it. Every seat
knows what a lot is worth to itself, and between which bounds it is worth something to the others.
Left out is textarena's talk; its players bid for all lots at once, and two play. What counts is
textarena's `player_profit`, the worth of the lots won less what was paid for them. textarena's net
worth, by which it names a winner, also takes bids that lost: its rules don't say so. A payoff is
(profit + coins) / (coins + the most that all lots may be worth). Unseen is the auction in which the
winner pays the second-highest bid. A seat that loses its turn bids nothing.

What a bid is worth: its expected profit against others who know only their own worth and bid by
the equilibrium of as many players, one lot at a time. So code bids by value.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import prod
from random import Random

from arena.environments.base import Position, Seats, Split, TableRow, TableView
from arena.environments.games.simultaneous import LOST, Simultaneous

LOTS = (2, 3, 5)  # at each difficulty
GOODS = (
    "vase", "clock", "painting", "statue", "chalice", "watch", "figurine", "tapestry", "ring", "lamp",
)  # fmt: skip
LEAST_USUAL, MOST_USUAL = 5, 15
SPREAD = 0.4  # of the usual worth, up and down; textarena's is 0.2 of larger sums
FEWEST_COINS, MOST_COINS = 15, 30


class SealedBidAuction(Simultaneous):
    """Position: {"coins", "lots": [{"name", "low", "high", "worth": [by seat]}], "is_second_price",
    "sold": [[seat or None, price]], "history", "choices"}.
    """

    slug = "auction"
    name = "Sealed-bid auction"
    max_task_chars = 600
    seats = Seats(2, 4)
    turn_limit = 20
    difficulty_count = len(LOTS)

    def opening(self, rng: Random, split: Split, difficulty: int) -> Position:
        lots = []
        for name in rng.sample(GOODS, LOTS[difficulty]):
            usual = rng.randint(LEAST_USUAL, MOST_USUAL)
            low, high = usual - round(SPREAD * usual), usual + round(SPREAD * usual)
            worth = [rng.randint(low, high) for _ in range(self.seats.most)]
            lots.append({"name": name, "low": low, "high": high, "worth": worth})
        return {
            "coins": rng.randint(FEWEST_COINS, MOST_COINS),
            "lots": lots,
            "is_second_price": split is Split.UNSEEN,
            "sold": [],
            "history": [],
            "choices": [None] * self.seats.fewest,
        }

    def rounds(self, position: Position) -> int:
        return len(position["lots"])

    def describe(self, position: Position, seat: int) -> str:
        lots, number = position["lots"], len(position["history"])
        lot, count = lots[number], len(position["choices"])
        pays = "the second-highest bid" if position["is_second_price"] else "that bid"
        coming = ", ".join(f"{each['name']} ({each['worth'][seat]})" for each in lots[number + 1 :])
        past = "; ".join(
            f"{each['name']}: {_outcome(sold, seat)}"
            for each, sold in zip(lots, position["sold"], strict=False)
        )
        lines = (
            (
                f"Auction, lot {number + 1} of {len(lots)}: a {lot['name']}. It is worth {lot['worth'][seat]} "
                f"coins to you, and from {lot['low']} to {lot['high']} to {_others(count)}."
            ),
            (
                f"All {count} players bid at the same time. The highest bid gets the lot and pays {pays}; "
                "at a tie nobody gets it."
            ),
            "You gain what a lot is worth to you minus what you pay. Gain as much as you can.",
            f"Later lots (worth to you): {coming}." if coming else "",
            f"Sold so far: {past}." if past else "",
            (
                f"You have {left(position, seat)} coins. Answer with your bid, one number from 0 to "
                f"{left(position, seat)}."
            ),
        )
        return "\n".join(line for line in lines if line)

    def moves(self, position: Position, seat: int) -> tuple[str, ...]:
        return tuple(str(bid) for bid in range(left(position, seat) + 1))

    def resolved(self, position: Position, choices: Sequence[str]) -> Position:
        bids = sorted(((_bid(choice), seat) for seat, choice in enumerate(choices)), reverse=True)
        (highest, winner), (second, _) = bids[0], bids[1]
        price = second if position["is_second_price"] else highest
        sold = [winner, price] if highest > second else [None, 0]
        return {**position, "sold": [*position["sold"], sold]}

    def payoffs(self, position: Position) -> Mapping[int, float]:
        return {
            seat: _scaled(position, profit(position, seat))
            for seat in range(len(position["choices"]))
        }

    def view(self, position: Position) -> TableView:
        columns = [*position["history"], position["choices"]][: len(position["lots"])]
        return TableView(
            head=(*(lot["name"] for lot in position["lots"]), "coins", "gain"),
            rows=tuple(
                TableRow(
                    seat,
                    (
                        *(
                            f"{_shown(columns, number, seat)}(worth {lot['worth'][seat]})"
                            for number, lot in enumerate(position["lots"])
                        ),
                        str(left(position, seat)),
                        str(profit(position, seat)),
                    ),
                )
                for seat in range(len(position["choices"]))
            ),
            caption="The winner pays the second-highest bid."
            if position["is_second_price"]
            else "",
        )

    def choice_value(self, position: Position, seat: int, choice: str) -> float:
        lot, bid = position["lots"][len(position["history"])], int(choice)
        others = [other for other in range(len(position["choices"])) if other != seat]
        chances = {
            other: _chances(
                lot["low"],
                lot["high"],
                left(position, other),
                len(others),
                position["is_second_price"],
            )
            for other in others
        }
        expected, below = 0.0, 0.0
        for highest in range(bid):  # of the others' bids
            at_most = prod(chances[other][highest] for other in others)
            price = highest if position["is_second_price"] else bid
            expected += (at_most - below) * (lot["worth"][seat] - price)
            below = at_most
        return _scaled(position, profit(position, seat) + expected)


def left(position: Position, seat: int) -> int:
    """The seat's coins that are not paid."""
    paid = sum(price for winner, price in position["sold"] if winner == seat)
    return position["coins"] - paid  # type: ignore[no-any-return]


def profit(position: Position, seat: int) -> int:
    """What the seat's lots are worth to it, less what it paid for them."""
    return sum(
        lot["worth"][seat] - price
        for lot, (winner, price) in zip(position["lots"], position["sold"], strict=False)
        if winner == seat
    )


def _scaled(position: Position, gain: float) -> float:
    coins = position["coins"]
    return (gain + coins) / (coins + sum(lot["high"] for lot in position["lots"]))  # type: ignore[no-any-return]


def _shown(columns: Sequence[Sequence[str | None]], number: int, seat: int) -> str:
    """The seat's bid for that lot, with a blank behind it; nothing before it has bid."""
    choice = columns[number][seat] if number < len(columns) else None
    return "" if choice is None else "no bid " if choice == LOST else f"{choice} "


def _bid(choice: str) -> int:
    return 0 if choice == LOST else int(choice)


@lru_cache(maxsize=1024)
def _chances(low: int, high: int, coins: int, rivals: int, is_second_price: bool) -> list[float]:
    """That somebody with so many coins bids at most 0, 1, ..., over all that the lot may be worth.

    In equilibrium, for worths that are equally likely from `low` on (Vickrey, 1961).
    """
    bids = [
        min(coins, worth if is_second_price else low + (worth - low) * rivals // (rivals + 1))
        for worth in range(low, high + 1)
    ]
    return [sum(bid <= most for bid in bids) / len(bids) for most in range(MOST_COINS + 1)]


def _others(count: int) -> str:
    return "the other" if count == 2 else "each of the others"


def _outcome(sold: Sequence[int | None], seat: int) -> str:
    winner, price = sold
    if winner is None:
        return "nobody"
    return f"{'you' if winner == seat else 'another'} for {price}"
