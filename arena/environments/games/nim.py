"""Nim as textarena's Nim-v0 plays it; unseen: misère, where whoever takes the last object loses. Pure.

Values are exact: the seat to move wins if the heaps' binary sum without carries is not 0 (Bouton,
1901); misère differs only when no heap has more than one object.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from itertools import permutations
from operator import xor
from random import Random

from arena.environments.base import Position, Seats, Split, TableRow, TableView
from arena.environments.games.base import Game
from arena.environments.games.reading import read_move

LETTERS = "ABCD"
SIZES = ((3, 6), (4, 6), (4, 9))  # of each difficulty: heaps, most objects of one


class Nim(Game):
    """Position: {"heaps": [objects], "turn": seat, "misere": bool, "last": a move or ""}."""

    slug = "nim"
    name = "Nim"
    max_task_chars = 260
    seats = Seats(2, 2)
    turn_limit = max(heaps * most for heaps, most in SIZES)
    difficulty_count = len(SIZES)

    def opening(self, rng: Random, split: Split, difficulty: int) -> Position:
        heaps, most = SIZES[difficulty]
        return {
            "heaps": [rng.randint(1, most) for _ in range(heaps)],
            "turn": 0,
            "misere": split is Split.UNSEEN,
            "last": "",
        }

    def is_fair(self, position: Position) -> bool:
        """Nim has no draws: the seat that moves first has a winning move to find."""
        return self.value(position, 0) == 1

    def likeness(self, position: Position, seat: int) -> object:
        """The heaps that are left, in any order."""
        return [sorted(filter(None, position["heaps"])), position["misere"]]

    def mirrored(self, position: Position) -> Iterable[Position]:
        left = [heap for heap in position["heaps"] if heap]
        places = left + [0] * (len(LETTERS) - len(left))
        return [{**position, "heaps": list(heaps)} for heaps in set(permutations(places))]

    def to_move(self, position: Position) -> tuple[int, ...]:
        return (position["turn"],) if any(position["heaps"]) else ()

    def describe(self, position: Position, seat: int) -> str:
        heaps = [
            f"{letter} has {size}"
            for letter, size in zip(LETTERS, position["heaps"], strict=False)
            if size
        ]
        end = "loses" if position["misere"] else "wins"
        example = self.moves(position, seat)[0]
        return (
            "Nim. You and the other take turns. Each takes one or more objects from one heap. "
            f"Whoever takes the last object of all {end}.\n"
            f"Heaps: {', '.join(heaps)}. It is your turn.\n"
            f"Answer with a heap and how many you take: {example} takes {example[1:]} from heap "
            f"{example[0]}."
        )

    def moves(self, position: Position, seat: int) -> tuple[str, ...]:
        return tuple(
            f"{letter}{count}"
            for letter, size in zip(LETTERS, position["heaps"], strict=False)
            for count in range(1, size + 1)
        )

    def act(self, position: Position, seat: int, text: str) -> Position:
        return _taken(position, read_move(text, self.moves(position, seat)))

    def payoffs(self, position: Position) -> Mapping[int, float]:
        took_last = 1 - position["turn"]
        winner = took_last ^ position["misere"]
        return {winner: 1.0, 1 - winner: 0.0}

    def view(self, position: Position) -> TableView:
        last = f"Last move: {position['last']}." if position["last"] else ""
        misere = "Whoever takes the last object loses." if position["misere"] else ""
        heaps = zip(LETTERS, position["heaps"], strict=False)
        return TableView(
            head=("Heap", "Objects"),
            rows=tuple(TableRow(None, (letter, str(size))) for letter, size in heaps),
            caption=f"{misere} {last}".strip(),
        )

    def value(self, position: Position, seat: int) -> float:
        wins = mover_wins(position["heaps"], misere=position["misere"])
        return float(wins == (position["turn"] == seat))

    def solve(self, position: Position, seat: int, rng: Random) -> str:
        return self.draw_best(position, seat, rng)


def _taken(position: Position, move: str) -> Position:
    heaps = list(position["heaps"])
    heaps[LETTERS.index(move[0])] -= int(move[1:])
    return {**position, "heaps": heaps, "turn": 1 - position["turn"], "last": move}


def mover_wins(heaps: Sequence[int], *, misere: bool) -> bool:
    """Whether the seat to move wins with best play; with no heap left, the other took the last."""
    if misere and max(heaps) <= 1:
        return sum(heaps) % 2 == 0
    return reduce(xor, heaps) != 0
