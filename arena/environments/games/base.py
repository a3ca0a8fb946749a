"""What all games share: tasks that are positions, and the value of a move in one of them. Pure.

Value of an answer, in [0, 1], for the seat that is to move in the task:

    1 - (value of the best move - value of this move)    0 for an illegal one

so that the best move scores 1 in a lost position, too. The value of a move is exact where a game
knows it (`value`), and otherwise the mean payoff of ROLLOUTS games that code plays to the end.

The gate's tasks (held out) and those of matches and practice share no position, by `likeness`.
Inside a match's episode any position may come up.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
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
MAX_DRAWS = 10_000  # of openings and games, until one gives a task of the split
SAME_VALUE = 1e-9  # moves that differ by less are equally good


class Game(ABC):
    """An Environment by its rules.

    A subclass gives the rules; `value` too where it knows better than rollouts, and `move_value`
    where a move's worth depends on what is hidden from the seat. Positions are JSON objects and
    hold their own chance (cards, or the seed of dice), so that nothing else is random.
    """

    slug: str = ""  # none in a package, whose key is its entry point's name
    name: str
    max_task_chars: int
    seats: Seats
    turn_limit: int
    difficulty_count: int = 1

    @abstractmethod
    def opening(self, rng: Random, split: Split, difficulty: int) -> Position:
        """Draw a position to begin in. UNSEEN is a variant that the other splits never use."""

    def is_fair(self, position: Position) -> bool:
        """Whether no seat of this opening has already won or lost."""
        return True

    def likeness(self, position: Position, seat: int) -> object:
        """JSON of what counts as one task: the same for positions that are mirrored, say."""
        return self.describe(position, seat)

    def mirrored(self, position: Position) -> Iterable[Position]:
        """The position however its board is turned or its parts are ordered: all of one likeness."""
        return (position,)

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
    def payoffs(self, position: Position) -> Mapping[int, float]: ...

    @abstractmethod
    def view(self, position: Position) -> View: ...

    @abstractmethod
    def solve(self, position: Position, seat: int, rng: Random) -> str: ...

    def begin(self, task: Task, seats: int) -> Position:
        return task.data["position"]  # type: ignore[no-any-return]

    def observe(self, position: Position, seat: int) -> list[Message]:
        return user_turn(self.describe(position, seat))

    def forfeit(self, position: Position, seat: int) -> Position:
        """The worst legal move, the first of several: a lost turn is never better than a move.

        A game whose moves cannot be listed, or whose players know another rule, overrides it.
        """
        if not self.to_move(position):
            return position
        values = self.move_values(position, seat)
        return self.act(position, seat, min(values, key=values.__getitem__))

    def make_task(self, rng: Random, split: Split, difficulty: int = 0) -> Task:
        """An opening of the split that is fair to play from."""
        for _ in range(MAX_DRAWS):
            position = self.opening(rng, split, difficulty)
            seat = self.to_move(position)[0]
            if self._belongs(position, seat, split) and self.is_fair(position):
                return self.position_task(position, seat, split)
        raise LookupError(
            f"{self.name} has no opening of {split} and difficulty {difficulty} among {MAX_DRAWS:,} "
            "that were drawn. opening() must draw from more positions."
        )

    def practice_task(self, rng: Random, split: Split, difficulty: int = 0) -> Task:
        """A position of any depth of a random game, in which some moves are better than others."""
        for _ in range(MAX_DRAWS):
            reached = self._random_game(rng, self.opening(rng, split, difficulty))
            rng.shuffle(reached)
            for position, seat in reached:
                if self._belongs(position, seat, split) and self._has_worse_moves(position, seat):
                    return self.position_task(position, seat, split)
        raise LookupError(
            f"{self.name} has no position of {split} and difficulty {difficulty}, in which one move is "
            f"better than another, in {MAX_DRAWS:,} random games."
        )

    def _random_game(self, rng: Random, now: Position) -> list[tuple[Position, int]]:
        """Every (position, seat to move) of a game of random legal moves."""
        reached = []
        while movers := self.to_move(now):
            reached += [(now, mover) for mover in movers]
            for mover in movers:
                moves = self.moves(now, mover)
                move = rng.choice(moves) if moves else self.solve(now, mover, rng)
                now = self.act(now, mover, move)
        return reached

    def _belongs(self, position: Position, seat: int, split: Split) -> bool:
        if split is Split.UNSEEN:
            return True
        return is_held_out([self.slug, self.likeness(position, seat)]) == (split is Split.HELDOUT)

    def _has_worse_moves(self, position: Position, seat: int) -> bool:
        """True where moves cannot be listed."""
        moves = self.moves(position, seat)
        values = (self.move_value(position, seat, move) for move in moves)
        first = next(values, None)
        return first is None or any(abs(value - first) > SAME_VALUE for value in values)

    def position_task(self, position: Position, seat: int, split: Split) -> Task:
        """The task to move in this position, for practice and exams."""
        return Task(
            kind=self.slug or self.name,
            prompt=self.describe(position, seat),
            data={"position": dict(position), "seat": seat},
            split=split,
        )

    def wordings(self, task: Task) -> set[str]:
        """The prompts of all positions that count as this task."""
        position, seat = task.data["position"], task.data["seat"]
        return {self.describe(each, seat) for each in self.mirrored(position)}

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

    def move_value(self, position: Position, seat: int, text: str) -> float:
        """What the seat can expect if it makes this move, in [0, 1]. Raises IllegalTurn."""
        return self.value(self.act(position, seat, text), seat)

    def move_values(self, position: Position, seat: int) -> Mapping[str, float]:
        """{move: its value} of all legal moves, or of a coded one where they cannot be listed."""
        return dict(_move_values(self, canonical_json(dict(position)), seat))

    def best_moves(self, position: Position, seat: int) -> tuple[str, ...]:
        """The moves of the highest value."""
        values = self.move_values(position, seat)
        best = max(values.values())
        return tuple(move for move, value in values.items() if best - value < SAME_VALUE)

    def draw_best(self, position: Position, seat: int, rng: Random) -> str:
        """One of the best moves; one that ends the episode, if there is one among them."""
        best = self.best_moves(position, seat)
        ending = [move for move in best if not self.to_move(self.act(position, seat, move))]
        return rng.choice(ending or best)

    def score(self, task: Task, text: str) -> Score:
        position, seat = task.data["position"], task.data["seat"]
        try:
            value = self.move_value(position, seat, text)
        except IllegalTurn as problem:
            return Score(0.0, False, (Check("legal", False, f"is not a legal move: {problem}"),))
        regret = max(0.0, max(self.move_values(position, seat).values()) - value)
        passed = regret < SAME_VALUE
        detail = "is as good as any move" if passed else f"gives away {regret:.2f} of the game"
        return Score(
            1 - regret,
            passed,
            (Check("legal", True, "is a legal move"), Check("best move", passed, detail)),
        )


@lru_cache(maxsize=4096)
def _move_values(game: Game, position_json: str, seat: int) -> tuple[tuple[str, float], ...]:
    position = json.loads(position_json)
    moves = game.moves(position, seat) or (game.solve(position, seat, Random(position_json)),)
    return tuple((move, game.move_value(position, seat, move)) for move in moves)


def is_held_out(likeness: object) -> bool:
    """Whether a task is the gate's: the same everywhere, for HELDOUT_SHARE of all JSON values."""
    return int(digest_of(["held out", likeness])[:8], 16) < HELDOUT_SHARE * 2**32
