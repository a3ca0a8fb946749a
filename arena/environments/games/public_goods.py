"""A public-goods game as textarena's PublicGoodsGame-v0 plays it, for three to five seats. Pure.

In each round every seat gets tokens and gives some of them; each token given is worth a share to
every seat. Left out is textarena's talk. A payoff is a seat's tokens over the most that it could
get; textarena counts the same, and then only names the one with the most winner. Tokens, share
(textarena's factor over the number of seats) and rounds are drawn. Unseen is a pot that pays
nothing unless half of all tokens are given. A seat that loses its turn gives nothing and does not
get the tokens of that round.

What a move is worth: the seat believes that the others give as much again as on average in the
last round, and later on as much as the seat gives now, but no more than they gave before. So code
gives what the others gave, everything at first and nothing in the last round.
"""

from collections.abc import Mapping, Sequence
from random import Random
from statistics import fmean

from arena.environments.base import Position, Seats, Split, TableRow, TableView
from arena.environments.games.simultaneous import LOST, Simultaneous

ROUNDS = ((2, 3, 4), (5, 6))  # at each difficulty
FEWEST_TOKENS, MOST_TOKENS = 5, 30
TENTHS = range(4, 9)  # what each token given is worth to every seat, in tenths of a token
NEEDED_SHARE = 0.5  # of all tokens, for an unseen pot to pay


class PublicGoods(Simultaneous):
    """Position: {"tokens", "tenths", "rounds", "has_threshold", "history", "choices"}."""

    slug = "public_goods"
    name = "Public goods"
    max_task_chars = 640
    seats = Seats(3, 5)
    turn_limit = 30
    difficulty_count = len(ROUNDS)

    def opening(self, rng: Random, split: Split, difficulty: int) -> Position:
        return {
            "tokens": rng.randint(FEWEST_TOKENS, MOST_TOKENS),
            "tenths": rng.choice(TENTHS),
            "rounds": rng.choice(ROUNDS[difficulty]),
            "has_threshold": split is Split.UNSEEN,
            "history": [],
            "choices": [None] * self.seats.fewest,
        }

    def rounds(self, position: Position) -> int:
        return position["rounds"]  # type: ignore[no-any-return]

    def describe(self, position: Position, seat: int) -> str:
        tokens, count = position["tokens"], len(position["choices"])
        threshold = (
            f"But if all players together give fewer than {_needed(position)}, the gifts are lost."
            if position["has_threshold"]
            else ""
        )
        past = "; ".join(
            f"you {made[seat]}, the others "
            + " and ".join(given for other, given in enumerate(made) if other != seat)
            for made in position["history"]
        )
        lines = (
            (
                f"Round {len(position['history']) + 1} of {position['rounds']}. You and {count - 1} others "
                f"each get {tokens} tokens. All choose at the same time how many to give away."
            ),
            (
                f"You keep the rest. Each token that anybody gives pays {position['tenths'] / 10} tokens "
                "to every player, you included."
            ),
            threshold,
            "Get as many tokens as you can.",
            f"Given so far: {past or 'nothing'}.",
            f"Answer with one number from 0 to {tokens}.",
        )
        return "\n".join(line for line in lines if line)

    def moves(self, position: Position, seat: int) -> tuple[str, ...]:
        return tuple(str(given) for given in range(position["tokens"] + 1))

    def resolved(self, position: Position, choices: Sequence[str]) -> Position:
        return position

    def payoffs(self, position: Position) -> Mapping[int, float]:
        return {
            seat: earned(position, seat) / _most(position)
            for seat in range(len(position["choices"]))
        }

    def view(self, position: Position) -> TableView:
        columns = [*position["history"], position["choices"]][: position["rounds"]]
        return TableView(
            head=(*(str(number + 1) for number in range(len(columns))), "tokens"),
            rows=tuple(
                TableRow(
                    seat, (*(made[seat] or "" for made in columns), f"{earned(position, seat):g}")
                )
                for seat in range(len(position["choices"]))
            ),
            caption=f"Tokens given in {position['rounds']} rounds; each gives every seat "
            f"{position['tenths'] / 10}.",
        )

    def choice_value(self, position: Position, seat: int, choice: str) -> float:
        given, tokens, history = int(choice), position["tokens"], position["history"]
        others = len(position["choices"]) - 1
        usual = (
            fmean(_given(made) for other, made in enumerate(history[-1]) if other != seat)
            if history
            else float(tokens)
        )
        total = earned(position, seat) + _round(position, given, others * usual)
        left = position["rounds"] - len(history) - 1
        if left:
            in_kind = min(float(given), usual)
            total += (left - 1) * _round(position, in_kind, others * in_kind)
            total += _round(position, 0, others * in_kind)
        return total / _most(position)


def earned(position: Position, seat: int) -> float:
    """The seat's tokens of the rounds that are over."""
    total = 0.0
    for made in position["history"]:
        others = sum(_given(choice) for other, choice in enumerate(made) if other != seat)
        kept = position["tokens"] if made[seat] != LOST else 0
        total += kept - position["tokens"] + _round(position, _given(made[seat]), others)
    return total


def _given(choice: str) -> int:
    return 0 if choice == LOST else int(choice)


def _round(position: Position, own: float, others: float) -> float:
    """What a round brings to a seat that gives `own`, in tokens."""
    pays = not position["has_threshold"] or own + others >= _needed(position)
    pot = position["tenths"] * (own + others) / 10 if pays else 0.0
    return float(position["tokens"] - own + pot)


def _needed(position: Position) -> int:
    tokens: int = position["tokens"]
    return round(NEEDED_SHARE * tokens * len(position["choices"]))


def _most(position: Position) -> float:
    """What a seat gets if it gives nothing in any round, and all others everything."""
    others = position["tokens"] * (len(position["choices"]) - 1)
    rounds: int = position["rounds"]
    return rounds * _round(position, 0, others)
