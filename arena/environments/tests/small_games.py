"""Games that are small enough to follow by hand."""

from collections.abc import Mapping
from random import Random

from arena.environments.base import IllegalTurn, Position, Seats, Split, TableRow, TableView, Task
from arena.environments.games.base import Game

TARGET = 5


class Count(Game):
    """In turns, each seat adds 1 or 2; whoever says `target` wins."""

    slug, name = "count", "Count"
    max_task_chars = 80
    seats = Seats(2, 3)
    turn_limit = target = TARGET

    def opening(self, rng: Random, split: Split, difficulty: int) -> Position:
        return {"total": 0, "mover": 0, "seats": 2}

    def make_task(self, rng: Random, split: Split, difficulty: int = 0) -> Task:
        return self.position_task(self.opening(rng, split, difficulty), 0, split)

    def to_move(self, position: Position) -> tuple[int, ...]:
        return () if position["total"] >= self.target else (position["mover"],)

    def describe(self, position: Position, seat: int) -> str:
        return f"The total is {position['total']}. Add 1 or 2."

    def moves(self, position: Position, seat: int) -> tuple[str, ...]:
        return ("1", "2")

    def act(self, position: Position, seat: int, text: str) -> Position:
        if text.strip() not in ("1", "2"):
            raise IllegalTurn("Say 1 or 2.")
        return self._on(position, int(text))

    def forfeit(self, position: Position, seat: int) -> Position:
        return self._on(position, 1)

    def payoffs(self, position: Position) -> Mapping[int, float]:
        last = (position["mover"] - 1) % position["seats"]
        return {seat: float(seat == last) for seat in range(position["seats"])}

    def view(self, position: Position) -> TableView:
        return TableView(("total",), (TableRow(None, (str(position["total"]),)),))

    def solve(self, position: Position, seat: int, rng: Random) -> str:
        return "2" if self.target - position["total"] == 2 else "1"

    def _on(self, position: Position, added: int) -> Position:
        mover = (position["mover"] + 1) % position["seats"]
        return {**position, "total": position["total"] + added, "mover": mover}


class LongCount(Count):
    """Each turn adds 1, a lost one too, so that there are exactly 30 turns."""

    slug, name = "long-count", "Count to thirty"
    turn_limit = target = 30

    def describe(self, position: Position, seat: int) -> str:
        return f"The total is {position['total']}. Add 1."

    def moves(self, position: Position, seat: int) -> tuple[str, ...]:
        return ("1",)

    def act(self, position: Position, seat: int, text: str) -> Position:
        if text.strip() != "1":
            raise IllegalTurn("Say 1.")
        return self._on(position, 1)

    def solve(self, position: Position, seat: int, rng: Random) -> str:
        return "1"


class Odds(Game):
    """Twice, both seats show 1 or 2 at the same moment; seat 0 wants an odd sum each time."""

    slug, name = "odds", "Odds"
    max_task_chars = 80
    seats = Seats(2, 2)
    turn_limit = 4

    def opening(self, rng: Random, split: Split, difficulty: int) -> Position:
        return {"shown": [], "now": [0, 0]}

    def make_task(self, rng: Random, split: Split, difficulty: int = 0) -> Task:
        return self.position_task(self.opening(rng, split, difficulty), 0, split)

    def to_move(self, position: Position) -> tuple[int, ...]:
        if len(position["shown"]) == 2:
            return ()
        return tuple(seat for seat in (0, 1) if not position["now"][seat])

    def describe(self, position: Position, seat: int) -> str:
        return f"Sums so far: {position['shown']}. Show 1 or 2."

    def moves(self, position: Position, seat: int) -> tuple[str, ...]:
        return ("1", "2")

    def act(self, position: Position, seat: int, text: str) -> Position:
        if text.strip() not in ("1", "2"):
            raise IllegalTurn("Say 1 or 2.")
        now = list(position["now"])
        now[seat] = int(text)
        if all(now):
            return {"shown": [*position["shown"], sum(now)], "now": [0, 0]}
        return {**position, "now": now}

    def forfeit(self, position: Position, seat: int) -> Position:
        return self.act(position, seat, "1")

    def payoffs(self, position: Position) -> Mapping[int, float]:
        odd = sum(total % 2 for total in position["shown"]) / 2
        return {0: odd, 1: 1 - odd}

    def view(self, position: Position) -> TableView:
        shown = tuple(str(total) for total in position["shown"])
        return TableView(("sum",), tuple(TableRow(None, (one,)) for one in shown))

    def solve(self, position: Position, seat: int, rng: Random) -> str:
        return rng.choice(("1", "2"))
