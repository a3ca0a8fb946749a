"""Tasks that each seat answers once, without seeing the others: an episode of one turn."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from random import Random

from arena.environments.base import (
    Message,
    Position,
    Score,
    Seats,
    Split,
    Task,
    TextView,
    user_turn,
)

MOST_SEATS = 8


class Question(ABC):
    """An Environment by `make_task`, `score` and `answer`."""

    slug: str
    name: str
    max_task_chars: int
    seats = Seats(1, MOST_SEATS)
    turn_limit = 1
    difficulty_count = 1
    # Whether most of a prompt's words are in all of them, so that one other word is another task.
    words_alike = False

    @abstractmethod
    def make_task(self, rng: Random, split: Split, difficulty: int = 0) -> Task:
        """Draw a task of the split."""

    def practice_task(self, rng: Random, split: Split, difficulty: int = 0) -> Task:
        return self.make_task(rng, split, difficulty)

    @abstractmethod
    def score(self, task: Task, text: str) -> Score:
        """Check an answer in code. Never raises, whatever the text contains."""

    @abstractmethod
    def answer(self, task: Task, rng: Random) -> str:
        """An answer by code."""

    def begin(self, task: Task, seats: int) -> Position:
        return {"task": task.as_json(), "answers": [None] * seats}

    def to_move(self, position: Position) -> tuple[int, ...]:
        return tuple(seat for seat, text in enumerate(position["answers"]) if text is None)

    def observe(self, position: Position, seat: int) -> list[Message]:
        return user_turn(position["task"]["prompt"])

    def moves(self, position: Position, seat: int) -> tuple[str, ...]:
        return ()

    def act(self, position: Position, seat: int, text: str) -> Position:
        answers = list(position["answers"])
        answers[seat] = text
        return {**position, "answers": answers}

    def forfeit(self, position: Position, seat: int) -> Position:
        return self.act(position, seat, "")

    def payoffs(self, position: Position) -> Mapping[int, float]:
        task = Task.from_json(position["task"])
        answers = enumerate(position["answers"])
        return {seat: self.score(task, text or "").value for seat, text in answers}

    def view(self, position: Position) -> TextView:
        return TextView(position["task"]["prompt"])

    def solve(self, position: Position, seat: int, rng: Random) -> str:
        return self.answer(Task.from_json(position["task"]), rng)
