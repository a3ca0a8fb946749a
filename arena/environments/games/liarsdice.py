"""Liar's dice as textarena's LiarsDice-v0 plays it with two seats; unseen: dice of four sides. Pure.

A bid says how many dice of both seats show a face; a higher one may lower neither the number nor
the face. Whoever was wrong when a bid is called loses a die. No bid exceeds the number of dice,
where textarena lets it. In an opening the other seat has made the first bid.

The value of a move is exact up to the end of the round: an average over all hands that the other
may hold, with both seats going on by a coded policy (`policy_move`, by the probability that a bid
is true), of the share of all dice that the seat then has.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from itertools import combinations_with_replacement
from math import comb, factorial, prod
from random import Random

from arena.environments.base import Position, Seats, Split, TableRow, TableView
from arena.environments.games.base import Game
from arena.environments.games.reading import listed, read_move

DICE = (2, 3)  # of each seat, at each difficulty
SIDES, UNSEEN_SIDES = 6, 4
CALL = "call"
NO_BID = (0, 0)

Bid = tuple[int, int]  # how many dice show which face
Hand = tuple[int, ...]  # sorted


class LiarsDice(Game):
    """Position: {"seed", "sides", "dice": [[of seat 0], [of seat 1]], "bid": [n, face], "turn", ...}.

    "round" counts the calls; with the seed it gives the dice. "last" tells of the last call.
    """

    slug = "liarsdice"
    name = "Liar's dice"
    max_task_chars = 560
    seats = Seats(2, 2)
    # A round of n dice has at most n + SIDES - 1 bids and a call; each round costs a die.
    turn_limit = sum(dice + SIDES for dice in range(2, 2 * DICE[-1] + 1))
    difficulty_count = len(DICE)

    def opening(self, rng: Random, split: Split, difficulty: int) -> Position:
        sides = UNSEEN_SIDES if split is Split.UNSEEN else SIDES
        seed, count = rng.getrandbits(32), DICE[difficulty]
        return {
            "seed": seed,
            "sides": sides,
            "dice": _rolled(seed, 0, sides, (count, count)),
            "bid": [1, rng.randint(1, sides)],
            "turn": 0,
            "round": 0,
            "last": "",
        }

    def to_move(self, position: Position) -> tuple[int, ...]:
        return (position["turn"],) if all(position["dice"]) else ()

    def describe(self, position: Position, seat: int) -> str:
        own, others = position["dice"][seat], position["dice"][1 - seat]
        bid, moves = position["bid"], self.moves(position, seat)
        said = (
            f"The other has bid {_text(bid)}: that at least {bid[0]} of the {len(own) + len(others)} "
            f"dice show {bid[1]}."
            if bid[0]
            else "You make the first bid."
        )
        higher = [move for move in moves if move != CALL]
        answer = (
            f"Answer with a bid, number x face: {listed(higher)}."
            if higher
            else "No bid is higher: answer call."
        )
        if higher and CALL in moves:
            answer += " Or answer call if you think that the bid is false."
        return (
            f"Liar's dice. Each die shows 1 to {position['sides']}. You see only your own dice. A bid "
            "says how many of all dice show a face. You bid higher or you call. If a bid that is "
            "called is false, its bidder loses a die; if it is true, the caller loses one. Who has no "
            "dice left loses.\n"
            f"Your dice: {', '.join(map(str, own))}. The other has {len(others)}.\n"
            f"{said}\n{answer}"
        )

    def moves(self, position: Position, seat: int) -> tuple[str, ...]:
        bids = higher_bids(tuple(position["bid"]), _dice(position), position["sides"])
        return (*([CALL] if position["bid"][0] else []), *map(_text, bids))

    def act(self, position: Position, seat: int, text: str) -> Position:
        move = read_move(text, self.moves(position, seat))
        if move != CALL:
            return {**position, "bid": list(_bid(move)), "turn": 1 - seat}
        (number, face), dice = position["bid"], position["dice"]
        shown = sum(hand.count(face) for hand in dice)
        loser = seat if shown >= number else 1 - seat
        counts = [len(hand) - (owner == loser) for owner, hand in enumerate(dice)]
        following = position["round"] + 1
        hands = " and ".join(" ".join(map(str, hand)) for hand in dice)
        return {
            **position,
            "dice": _rolled(position["seed"], following, position["sides"], counts),
            "bid": list(NO_BID),
            "turn": 1 - seat,
            "round": following,
            "last": f"{_text((number, face))} was called; the dice were {hands}",
        }

    def payoffs(self, position: Position) -> Mapping[int, float]:
        return {seat: float(bool(hand)) for seat, hand in enumerate(position["dice"])}

    def view(self, position: Position) -> TableView:
        bid = f"The bid is {_text(position['bid'])}. " if position["bid"][0] else ""
        last = f"Before that, {position['last']}." if position["last"] else ""
        return TableView(
            head=("Dice",),
            rows=tuple(
                TableRow(seat, (" ".join(map(str, hand)) or "none",))
                for seat, hand in enumerate(position["dice"])
            ),
            caption=f"{bid}{last}".strip(),
        )

    def value(self, position: Position, seat: int) -> float:
        """The seat's share of all dice."""
        own = len(position["dice"][seat])
        return own / _dice(position)

    def move_value(self, position: Position, seat: int, text: str) -> float:
        move = read_move(text, self.moves(position, seat))
        own, others = tuple(position["dice"][seat]), len(position["dice"][1 - seat])
        return _expected_share(own, others, position["sides"], tuple(position["bid"]), move)

    def solve(self, position: Position, seat: int, rng: Random) -> str:
        return self.draw_best(position, seat, rng)


def higher_bids(bid: Bid, dice: int, sides: int) -> list[Bid]:
    """The bids that are higher than this one."""
    number, face = bid
    return [
        (more, higher)
        for more in range(max(number, 1), dice + 1)
        for higher in range(max(face, 1), sides + 1)
        if (more, higher) != bid
    ]


@cache
def chance(needed: int, dice: int, sides: int) -> float:
    """The probability that at least `needed` of so many dice show a face."""
    hit = 1 / sides
    return sum(
        comb(dice, count) * hit**count * (1 - hit) ** (dice - count)
        for count in range(max(needed, 0), dice + 1)
    )


@lru_cache(maxsize=65536)
def policy_move(own: Hand, others: int, sides: int, bid: Bid) -> str:
    """The likeliest higher bid, or a call where the bid is likelier false than that one is true."""

    def truth(each: Bid) -> float:
        return chance(each[0] - own.count(each[1]), others, sides)

    bids = higher_bids(bid, len(own) + others, sides)
    best = max(bids, key=truth, default=None)
    if best is None or (bid != NO_BID and 1 - truth(bid) > truth(best)):
        return CALL
    return _text(best)


def _expected_share(own: Hand, count: int, sides: int, bid: Bid, move: str) -> float:
    """The seat's expected share of the dice at the end of the round in which it makes the move."""
    dice = len(own) + count
    total = 0.0
    for other, weight in _hands(count, sides):
        hands, now, reply, mover = (own, other), bid, move, 0
        while reply != CALL:
            now, mover = _bid(reply), 1 - mover
            reply = policy_move(hands[mover], len(hands[1 - mover]), sides, now)
        shown = own.count(now[1]) + other.count(now[1])
        loser = mover if shown >= now[0] else 1 - mover
        total += weight * (len(own) - (loser == 0)) / (dice - 1)
    return total


@cache
def _hands(count: int, sides: int) -> tuple[tuple[Hand, float], ...]:
    """Every sorted hand of so many dice with its probability."""
    return tuple(
        (hand, factorial(count) / prod(map(factorial, Counter(hand).values())) / sides**count)
        for hand in combinations_with_replacement(range(1, sides + 1), count)
    )


def _rolled(seed: int, number: int, sides: int, counts: Sequence[int]) -> list[list[int]]:
    rng = Random(f"dice:{seed}:{number}")
    return [sorted(rng.randint(1, sides) for _ in range(count)) for count in counts]


def _dice(position: Position) -> int:
    return sum(len(hand) for hand in position["dice"])


def _text(bid: Sequence[int]) -> str:
    return f"{bid[0]}x{bid[1]}"


def _bid(text: str) -> Bid:
    number, face = text.split("x")
    return int(number), int(face)
