"""Games in which all seats choose at once and see the choices afterwards. Pure."""

from abc import abstractmethod
from collections.abc import Sequence
from random import Random
from typing import Any

from arena.environments.base import Position, Task
from arena.environments.games.base import Game
from arena.environments.games.reading import read_move

LOST = "none"  # the choice of a seat that made no legal move


class Simultaneous(Game):
    """Position: {"choices": [of each seat in this moment, or None], "history": [choices], ...}.

    Who chooses first does not matter: choices are kept until the last seat has chosen, and are
    shown to no seat before. A move is worth what the seat can expect, whatever others have chosen.
    """

    @abstractmethod
    def rounds(self, position: Position) -> int:
        """How many moments an episode has."""

    @abstractmethod
    def resolved(self, position: Position, choices: Sequence[str]) -> Position:
        """The position after all have chosen; `history` and `choices` are seen to."""

    @abstractmethod
    def choice_value(self, position: Position, seat: int, choice: str) -> float:
        """What the seat can expect by this choice, in [0, 1], from what it knows."""

    def begin(self, task: Task, seats: int) -> Position:
        return {**task.data["position"], "choices": [None] * seats}

    def likeness(self, position: Position, seat: int) -> object:
        """What the seat is told; of an opening, however many seats sit down to it."""
        if not position["history"]:
            position = {**position, "choices": [None] * self.seats.fewest}
        return self.describe(position, seat)

    def to_move(self, position: Position) -> tuple[int, ...]:
        if len(position["history"]) == self.rounds(position):
            return ()
        return tuple(seat for seat, choice in enumerate(position["choices"]) if choice is None)

    def act(self, position: Position, seat: int, text: str) -> Position:
        return self._chosen(position, seat, read_move(text, self.moves(position, seat)))

    def forfeit(self, position: Position, seat: int) -> Position:
        return self._chosen(position, seat, LOST)

    def move_value(self, position: Position, seat: int, text: str) -> float:
        return self.choice_value(position, seat, read_move(text, self.moves(position, seat)))

    def solve(self, position: Position, seat: int, rng: Random) -> str:
        return self.best_moves(position, seat)[0]

    def _chosen(self, position: Position, seat: int, choice: str) -> Position:
        choices: list[Any] = list(position["choices"])
        choices[seat] = choice
        if None in choices:
            return {**position, "choices": choices}
        after = {**position, "choices": [None] * len(choices)}
        return {**self.resolved(after, choices), "history": [*position["history"], choices]}
