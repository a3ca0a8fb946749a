"""Trading goods whose worth is private, as textarena's SimpleNegotiation-v0 does it. Pure.

Two seats hold goods and move in turns: offer some of one good for some of another, accept, or
reject. Simplified from textarena: no talk, three goods, one good on each side of an offer, both see
what the other holds, only offers that both can keep are legal, and a rejected offer is gone. A
payoff depends on the change of the worth of what a seat holds, as textarena's winner does:

    1/2 + 1/2 * change / (|change| + a fifth of the mean worth in the beginning)

Unseen are other goods, worths up to 9 and more turns. A lost turn rejects what is on the table.

What a move is worth: what the seat holds after it, and an offer by the chance that the other gains
by it too, over all worths that fit the offers that the other made, accepted and rejected. So code
accepts what gains more than its best offer can expect, and asks for less after a rejection.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import product
from random import Random
from typing import Any

from arena.environments.base import (
    IllegalTurn,
    Position,
    Seats,
    Split,
    TableRow,
    TableView,
)
from arena.environments.games.base import Game
from arena.environments.games.reading import read_move

ACCEPT, REJECT = "accept", "reject"
TURNS = (4, 6)  # at each difficulty
UNSEEN_TURNS = 8
GOODS, UNSEEN_GOODS = ("wood", "stone", "grain"), ("silk", "salt", "tea")
MOST_WORTH, UNSEEN_MOST_WORTH = 6, 9  # of one piece
MOST_HELD = 5  # of one good, in the beginning
MOST_OFFERED = 3  # pieces on one side of an offer
SCALE = 0.2  # of the mean worth in the beginning: a change that is half a win

_NUMBERS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3}
_PASSING = {"pass": REJECT, "deny": REJECT, "decline": REJECT}  # as good as "reject"
MAX_READ_CHARACTERS = 2_000

Pieces = tuple[int, int]  # a good, by its place among the goods, and how many of it
Deal = tuple[Pieces, Pieces]  # given and got, as the seat that offers it sees it


class SimpleNegotiation(Game):
    """Position: {"goods", "held": [by seat, of each good], "worth": [the same, of a piece],
    "most_worth", "start": [worth of everything, by seat], "turns", "played", "turn": seat,
    "offer": deal of the other seat or None, "known": [of each seat, [got, given, whether it gains]]}.
    """

    slug = "negotiation"
    name = "Trading"
    max_task_chars = 430
    seats = Seats(2, 2)
    turn_limit = UNSEEN_TURNS
    difficulty_count = len(TURNS)

    def opening(self, rng: Random, split: Split, difficulty: int) -> Position:
        is_unseen = split is Split.UNSEEN
        most = UNSEEN_MOST_WORTH if is_unseen else MOST_WORTH
        held = [[rng.randint(1, MOST_HELD) for _ in GOODS] for _ in (0, 1)]
        worth = [[rng.randint(1, most) for _ in GOODS] for _ in (0, 1)]
        return {
            "goods": list(UNSEEN_GOODS if is_unseen else GOODS),
            "held": held,
            "worth": worth,
            "most_worth": most,
            "start": [_dot(held[seat], worth[seat]) for seat in (0, 1)],
            "turns": UNSEEN_TURNS if is_unseen else TURNS[difficulty],
            "played": 0,
            "turn": 0,
            "offer": None,
            "known": [[], []],
        }

    def is_fair(self, position: Position) -> bool:
        """Whether there is a trade by which both gain."""
        return any(
            gain(position["worth"][0], get, give) > 0 and gain(position["worth"][1], give, get) > 0
            for give, get in _deals(position, 0)
        )

    def to_move(self, position: Position) -> tuple[int, ...]:
        return (position["turn"],) if position["played"] < position["turns"] else ()

    def describe(self, position: Position, seat: int) -> str:
        goods, offer = position["goods"], position["offer"]
        worth = ", ".join(
            f"{good} {each}" for good, each in zip(goods, position["worth"][seat], strict=True)
        )
        table = f"The other offers you {_phrase(goods, offer)}." if offer else "There is no offer."
        return "\n".join(
            [
                (
                    f"Trade, turn {position['played'] + 1} of {position['turns']}, with one other player. "
                    "Make what you have worth more to you."
                ),
                f"You have: {_holdings(position, seat)}.",
                f"One piece is worth to you: {worth}.",
                (
                    f"The other has: {_holdings(position, 1 - seat)}. What that is worth to the other is "
                    f"secret, 1 to {position['most_worth']} a piece."
                ),
                table,
                (
                    f"Answer {'accept, reject, or' if offer else 'reject (to pass), or'} with an offer of up "
                    f"to {MOST_OFFERED} pieces, like: offer 2 {goods[0]} for 1 {goods[1]}"
                ),
            ]
        )

    def moves(self, position: Position, seat: int) -> tuple[str, ...]:
        offers = (f"offer {_phrase(position['goods'], deal)}" for deal in _deals(position, seat))
        return (*((ACCEPT,) if position["offer"] else ()), REJECT, *offers)

    def act(self, position: Position, seat: int, text: str) -> Position:
        move = _read(position, seat, text)
        if move == ACCEPT:
            give, get = position["offer"]
            after = _next(position, _learned(position, seat, give, get, gains=True))
            return {**after, "held": _traded(position, seat, get, give)}
        after = self._rejected(position, seat)
        if isinstance(move, str):
            return after
        give, get = move
        return {
            **after,
            "known": _learned(after, seat, get, give, gains=True),
            "offer": _listed(move),
        }

    def forfeit(self, position: Position, seat: int) -> Position:
        return _next(position, position["known"])

    def _rejected(self, position: Position, seat: int) -> Position:
        if not position["offer"]:
            return _next(position, position["known"])
        give, get = position["offer"]
        return _next(position, _learned(position, seat, give, get, gains=False))

    def payoffs(self, position: Position) -> Mapping[int, float]:
        return {seat: _payoff(position, change(position, seat)) for seat in (0, 1)}

    def view(self, position: Position) -> TableView:
        goods, offer = position["goods"], position["offer"]
        caption = (
            f"{position['played']} of {position['turns']} turns. Worth of a piece in brackets."
        )
        if offer:
            caption += f" On the table: {_phrase(goods, offer)}."
        return TableView(
            head=(*goods, "gain"),
            rows=tuple(
                TableRow(
                    seat,
                    (
                        *(
                            f"{held} ({worth})"
                            for held, worth in zip(
                                position["held"][seat], position["worth"][seat], strict=True
                            )
                        ),
                        f"{change(position, seat):+d}",
                    ),
                )
                for seat in (0, 1)
            ),
            caption=caption,
        )

    def move_value(self, position: Position, seat: int, text: str) -> float:
        after = self.act(position, seat, text)
        now, offer = change(after, seat), after["offer"]
        if not offer or not self.to_move(after):
            return _payoff(after, now)
        give, get = offer
        chance = _chance(after, 1 - seat, give, get)
        then = now + gain(after["worth"][seat], get, give)
        return chance * _payoff(after, then) + (1 - chance) * _payoff(after, now)

    def value(self, position: Position, seat: int) -> float:
        return _payoff(position, change(position, seat))

    def solve(self, position: Position, seat: int, rng: Random) -> str:
        return self.best_moves(position, seat)[0]


def change(position: Position, seat: int) -> int:
    """How much more the seat's goods are worth to it than in the beginning."""
    return _dot(position["held"][seat], position["worth"][seat]) - position["start"][seat]  # type: ignore[no-any-return]


def gain(worth: Sequence[int], got: Pieces, given: Pieces) -> int:
    """What somebody to whom a piece of each good is worth this gains by a trade."""
    return got[1] * worth[got[0]] - given[1] * worth[given[0]]


def _deals(position: Position, seat: int) -> list[Deal]:
    """Every offer that the seat may make."""
    own, other = position["held"][seat], position["held"][1 - seat]
    goods = range(len(position["goods"]))
    return [
        ((given, give), (got, get))
        for given in goods
        for got in goods
        if given != got
        for give in range(1, min(MOST_OFFERED, own[given]) + 1)
        for get in range(1, min(MOST_OFFERED, other[got]) + 1)
    ]


def _read(position: Position, seat: int, text: str) -> str | Deal:
    """ACCEPT, REJECT or the offer that the text makes; an offer rejects what is on the table.

    Raises IllegalTurn.
    """
    said = re.sub(r"[^a-z0-9]+", " ", text[:MAX_READ_CHARACTERS].casefold().replace("->", " for "))
    goods = position["goods"]
    pieces = rf"(\d{{1,2}}|an?|one|two|three) ({'|'.join(goods)})s?"
    found = {
        (_pieces(goods, *match[:2]), _pieces(goods, *match[2:]))
        for match in re.findall(
            rf"\b{pieces} (?:in exchange |in return )?for (?:your )?{pieces}\b", said
        )
    }
    words = said.split()
    if len(found) == 1 and ACCEPT not in words:
        deal = found.pop()
        if deal not in _deals(position, seat):
            raise IllegalTurn(
                f"You can offer up to {MOST_OFFERED} pieces of a good that you have, for up to "
                f"{MOST_OFFERED} of another that the other player has."
            )
        return deal
    known = ((ACCEPT,) if position["offer"] else ()) + (REJECT, *_PASSING)
    try:
        move = read_move(text[:MAX_READ_CHARACTERS], known)
    except IllegalTurn:
        either = "accept, reject" if position["offer"] else "reject"
        raise IllegalTurn(
            f"The answer must be {either} or one offer, like: offer 2 {goods[0]} for 1 {goods[1]}."
        ) from None
    return _PASSING.get(move, move)


def _pieces(goods: Sequence[str], count: str, good: str) -> Pieces:
    return goods.index(good), _NUMBERS.get(count) or int(count)


def _next(position: Position, known: list[Any]) -> Position:
    """The other seat's turn, without an offer."""
    turn, played = 1 - position["turn"], position["played"] + 1
    return {**position, "turn": turn, "played": played, "offer": None, "known": known}


def _traded(position: Position, seat: int, given: Pieces, got: Pieces) -> list[list[int]]:
    """What each seat holds after the seat has given and got this."""
    held = [list(each) for each in position["held"]]
    for good, change_of_seat in ((given[0], -given[1]), (got[0], got[1])):
        held[seat][good] += change_of_seat
        held[1 - seat][good] -= change_of_seat
    return held


def _learned(
    position: Position, seat: int, got: Pieces, given: Pieces, *, gains: bool
) -> list[Any]:
    """What is known with one more fact about the seat: whether it gains by a trade."""
    known = [list(facts) for facts in position["known"]]
    known[seat].append([list(got), list(given), gains])
    return known


def _chance(position: Position, seat: int, got: Pieces, given: Pieces) -> float:
    """That the seat gains by a trade, over all worths that fit what it has shown."""
    facts = tuple(
        (tuple(first), tuple(second), gains) for first, second, gains in position["known"][seat]
    )
    fitting = _worths(len(position["goods"]), position["most_worth"], facts)
    return sum(gain(worth, got, given) > 0 for worth in fitting) / len(fitting)


@lru_cache(maxsize=256)
def _worths(
    goods: int, most: int, facts: tuple[tuple[Pieces, Pieces, bool], ...]
) -> list[tuple[int, ...]]:
    """All worths of the goods that fit the facts; all there are if none fits."""
    every = list(product(range(1, most + 1), repeat=goods))
    fitting = [
        worth
        for worth in every
        if all((gain(worth, got, given) > 0) == gains for got, given, gains in facts)
    ]
    return fitting or every


def _payoff(position: Position, gained: int) -> float:
    scale = SCALE * sum(position["start"]) / 2
    return 0.5 + 0.5 * gained / (abs(gained) + scale)


def _phrase(goods: Sequence[str], deal: Sequence[Sequence[int]]) -> str:
    (given, give), (got, get) = deal
    return f"{give} {goods[given]} for {get} {goods[got]}"


def _listed(deal: Deal) -> list[list[int]]:
    return [list(pieces) for pieces in deal]


def _holdings(position: Position, seat: int) -> str:
    pairs = zip(position["held"][seat], position["goods"], strict=True)
    return ", ".join(f"{count} {good}" for count, good in pairs)


def _dot(counts: Sequence[int], worth: Sequence[int]) -> int:
    return sum(count * each for count, each in zip(counts, worth, strict=True))
