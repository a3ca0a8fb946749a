"""What an environment is: it makes tasks, and plays the episode that each task begins.

A task is answered by one turn of each seat (see `question.Question`) or played as a game of many
turns (see `games.base.Game`); everything else treats both the same way.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from random import Random
from typing import Any, Protocol, TypeAlias

from agents.canonical import digest_of
from judges.transcript import Check

# Everything that an episode's rules know after some turns: JSON values only, so that it can be
# stored, sent to another process and compared. Never changed in place.
Position: TypeAlias = Mapping[str, Any]
Message: TypeAlias = dict[str, str]  # {"role": "user" | "assistant", "content"}


class Split(StrEnum):
    """Which tasks may be used for what; the three sets have no prompt in common."""

    TRAIN = "train"  # matches, practice and training
    HELDOUT = "heldout"  # unseen prompts of trained kinds: the gate
    UNSEEN = "unseen"  # kinds that no match ever uses: transfer


@dataclass(frozen=True)
class Task:
    """One question or opening, with everything that scoring needs. JSON in, JSON out."""

    kind: str  # "bullets", "lowercase", "tictactoe", ...; reports group by it
    prompt: str  # the user turn of the seat that answers, as the model sees it
    data: Mapping[str, Any]  # JSON values only
    split: Split = Split.TRAIN

    @property
    def key(self) -> str:
        """SHA-256 of the content: same key, same task."""
        return digest_of([self.kind, self.prompt, dict(self.data)])

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"data": dict(self.data)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Task":
        return cls(value["kind"], value["prompt"], dict(value["data"]), Split(value["split"]))


@dataclass(frozen=True)
class Score:
    """The environment's own judgement of one answer."""

    value: float  # [0, 1]
    passed: bool  # every check passed
    checks: tuple[Check, ...]


class IllegalTurn(Exception):
    """A seat's text is no legal move; the message is a sentence for the seat and for spectators."""


class EnvironmentFault(Exception):
    """The environment itself failed; the message is a sentence for people.

    No seat's fault: a match in which it happens is cancelled and every fee refunded.
    """


class UnknownEnvironment(EnvironmentFault, KeyError):
    """No environment has this key on this installation, any more or at all."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class BoardView:
    """A grid of cells, each empty or with a mark."""

    cells: tuple[tuple[str, ...], ...]  # rows from the top; "" is an empty cell
    marks: Mapping[str, int]  # whose mark it is: {"X": 0, "O": 1}
    last: tuple[tuple[int, int], ...] = ()  # (row, column) of the newest move, or of a won line
    labels: tuple[tuple[str, ...], ...] = ()  # shown small in empty cells; () for none
    caption: str = ""


@dataclass(frozen=True)
class TableRow:
    """One line of a table; `seat` is whose line it is, or None."""

    seat: int | None
    cells: tuple[str, ...]


@dataclass(frozen=True)
class TableView:
    """Hands, heaps, bids or scores. A row of a seat begins with its agent's name."""

    head: tuple[str, ...]  # of `cells`, without the name
    rows: tuple[TableRow, ...]
    caption: str = ""


@dataclass(frozen=True)
class TextView:
    """Words only."""

    text: str


View: TypeAlias = BoardView | TableView | TextView
_VIEW_KINDS = {BoardView: "board", TableView: "table", TextView: "text"}


def view_json(view: View) -> dict[str, Any]:
    """The view as pages read it: its fields and its `kind`, "board", "table" or "text"."""
    value: dict[str, Any] = json.loads(json.dumps(asdict(view)))
    return {"kind": _VIEW_KINDS[type(view)], **value}


@dataclass(frozen=True)
class Seats:
    """How many seats an episode may have."""

    fewest: int
    most: int

    def __contains__(self, count: object) -> bool:
        return isinstance(count, int) and self.fewest <= count <= self.most


class Environment(Protocol):
    """Pure: the same arguments give the same result on any machine.

    A seat is a number from 0: in a game, seat 0 moves first. Only `act` may raise, and only
    IllegalTurn, whatever the text contains; environments of packages raise EnvironmentFault when
    their process fails.
    """

    slug: str
    name: str
    max_task_chars: int  # of the longest that a seat is shown in one turn, of any split
    seats: Seats
    turn_limit: (
        int  # an episode ends by this many turns of all seats, forfeited ones too; 1: a question
    )
    difficulty_count: int  # difficulties are 0 (the easiest), 1, ...

    def make_task(self, rng: Random, split: Split, difficulty: int = 0) -> Task:
        """Draw a task of the split. In a match, all seats get the same one."""
        ...

    def practice_task(self, rng: Random, split: Split, difficulty: int = 0) -> Task:
        """Draw a task to answer alone, for practice and exams: of a game, a position of any depth."""
        ...

    def score(self, task: Task, text: str) -> Score:
        """Check one answer in code: of a game, the value of this move of the task's seat."""
        ...

    def begin(self, task: Task, seats: int) -> Position:
        """The position in which an episode begins."""
        ...

    def to_move(self, position: Position) -> tuple[int, ...]:
        """The seats that are to move now, together; () when the episode has ended."""
        ...

    def observe(self, position: Position, seat: int) -> list[Message]:
        """What the seat is told before its move, without the agent's own prompt.

        It never shows what another seat has chosen for the same moment.
        """
        ...

    def moves(self, position: Position, seat: int) -> tuple[str, ...]:
        """Every legal move of the seat as a text that `act` takes; () if they cannot be listed."""
        ...

    def act(self, position: Position, seat: int, text: str) -> Position:
        """The position after the seat's move. Seats of one moment may act in any order.

        Raises IllegalTurn.
        """
        ...

    def forfeit(self, position: Position, seat: int) -> Position:
        """The position after a turn in which the seat made no legal move, as the rules count it."""
        ...

    def payoffs(self, position: Position) -> Mapping[int, float]:
        """What each seat got out of an ended episode, in [0, 1]; {} if only judges can tell."""
        ...

    def view(self, position: Position) -> View:
        """The position as spectators see it, with everything that is hidden from seats."""
        ...

    def solve(self, position: Position, seat: int, rng: Random) -> str:
        """A move by code, as the house's coded competitor makes it."""
        ...


def user_turn(text: str) -> list[Message]:
    """The usual observation: one message of the user."""
    return [{"role": "user", "content": text}]
