"""What all games share: tasks that are positions, and the value of a move in one of them.

Value of an answer, in [0, 1], for the seat that is to move in the task:

    1 - (value of the best move - value of this move)    0 for an illegal one

so that the best move scores 1 in a lost position, too. The value of a move is exact where a game
knows it (`value`), and otherwise the mean payoff of ROLLOUTS games that code plays to the end.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import lru_cache
from random import Random
from statistics import fmean

from agents.canonical import canonical_json, digest_of
from arena.environments.base import (
    IllegalTurn,
    Message,
    Position,
    Score,
    Seats,
    Split,
    Task,
    View,
    user_turn,
)
from judges.transcript import Check

ROLLOUTS = 24
HELDOUT_SHARE = 0.25  # of all positions
MAX_SHOWN_CHARACTERS = 40


class Game(ABC):
    """An Environment by its rules.

    A subclass gives the rules; `value` too where it knows better than rollouts. Positions are JSON
    objects and may hold the seed of their own chance (dice, cards), so that nothing else is random.
    """

    slug: str
    name: str
    max_task_chars: int
    seats: Seats
    turn_limit: int
    difficulty_count: int = 1

    @abstractmethod
    def make_task(self, rng: Random, split: Split, difficulty: int = 0) -> Task:
        """An opening, fair to play from, of the split; by `task_of`."""

    @abstractmethod
    def to_move(self, position: Position) -> tuple[int, ...]: ...

    @abstractmethod
    def describe(self, position: Position, seat: int) -> str:
        """What the seat knows: the rules in short, the position, and how to answer."""

    @abstractmethod
    def moves(self, position: Position, seat: int) -> tuple[str, ...]: ...

    @abstractmethod
    def act(self, position: Position, seat: int, text: str) -> Position: ...

    @abstractmethod
    def forfeit(self, position: Position, seat: int) -> Position: ...

    @abstractmethod
    def payoffs(self, position: Position) -> Mapping[int, float]: ...

    @abstractmethod
    def view(self, position: Position) -> View: ...

    @abstractmethod
    def solve(self, position: Position, seat: int, rng: Random) -> str: ...

    def begin(self, task: Task, seats: int) -> Position:
        return task.data["position"]  # type: ignore[no-any-return]

    def observe(self, position: Position, seat: int) -> list[Message]:
        return user_turn(self.describe(position, seat))

    def position_task(self, position: Position, seat: int, split: Split) -> Task:
        """The task to move in this position, for practice and exams."""
        return Task(
            kind=self.slug,
            prompt=self.describe(position, seat),
            data={"position": dict(position), "seat": seat},
            split=split,
        )

    def value(self, position: Position, seat: int) -> float:
        """What the seat can expect here, in [0, 1]."""
        totals = []
        for number in range(ROLLOUTS):
            rng = Random(f"rollout:{number}:{digest_of(dict(position))}")
            now = position
            while movers := self.to_move(now):
                for mover in movers:
                    now = self.act(now, mover, self.solve(now, mover, rng))
            totals.append(self.payoffs(now)[seat])
        return fmean(totals)

    def score(self, task: Task, text: str) -> Score:
        position, seat = task.data["position"], task.data["seat"]
        try:
            after = self.act(position, seat, text)
        except IllegalTurn as problem:
            return Score(0.0, False, (Check("legal", False, f"is not a legal move: {problem}"),))
        best = _best_value(self, canonical_json(dict(position)), seat)
        regret = max(0.0, best - self.value(after, seat))
        passed = regret < 1e-9
        detail = "is as good as any move" if passed else f"gives away {regret:.2f} of the game"
        return Score(
            1 - regret,
            passed,
            (Check("legal", True, "is a legal move"), Check("best move", passed, detail)),
        )


@lru_cache(maxsize=4096)
def _best_value(game: Game, position_json: str, seat: int) -> float:
    """The value of the best move, or of the coded one where moves cannot be listed."""
    position = json.loads(position_json)
    moves = game.moves(position, seat) or (game.solve(position, seat, Random(position_json)),)
    return max(game.value(game.act(position, seat, move), seat) for move in moves)


def is_held_out(position: Position) -> bool:
    """Whether tasks of this position are the gate's: the same everywhere, for HELDOUT_SHARE of all."""
    return int(digest_of(["held out", dict(position)])[:8], 16) < HELDOUT_SHARE * 2**32
