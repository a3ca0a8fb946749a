"""What goes over the pipe between a plug-in's process and us, and what we accept of it. Pure.

Every reader raises BadReply for a value that no correct environment gives, so nothing that
plug-ins say reaches a match, a row or a page unchecked.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from arena.environments.base import (
    BoardView,
    Message,
    Score,
    Seats,
    Split,
    TableRow,
    TableView,
    Task,
    TextView,
    View,
)
from arena.environments.question import MOST_SEATS
from judges.transcript import Check

MAX_LINE_BYTES = 1_000_000
MAX_FLOAT = 1e16  # from here on, a database gives back a whole number
MAX_TEXT_CHARACTERS = 20_000
MAX_WORD_CHARACTERS = 500  # of a name, a cell, a move, a sentence
MAX_ITEMS = 2_000  # of a list
MAX_TURNS = 1_000
MAX_DIFFICULTIES = 100
METHODS = (
    *(
        "make_task",
        "practice_task",
        "score",
        "begin",
        "to_move",
        "observe",
        "moves",
        "act",
        "forfeit",
    ),
    *("payoffs", "view", "solve"),
)


class BadReply(Exception):
    """The value cannot come from a correct environment; the message says what is wrong with it."""


@dataclass(frozen=True)
class Facts:
    """What an environment says about itself."""

    name: str
    max_task_chars: int
    seats: Seats
    turn_limit: int
    difficulty_count: int


def facts_of(environment: Any) -> dict[str, Any]:
    """The environment's attributes as JSON. Raises AttributeError if one is missing."""
    return {
        "name": environment.name,
        "max_task_chars": environment.max_task_chars,
        "seats": [environment.seats.fewest, environment.seats.most],
        "turn_limit": environment.turn_limit,
        "difficulty_count": environment.difficulty_count,
    }


def read_facts(value: Any) -> Facts:
    given = _object(value, "its description")
    seats = _list(given.get("seats"), "its seats")
    if len(seats) != 2:
        raise BadReply("its seats are not two numbers")
    fewest = _whole(seats[0], "its fewest seats", low=1, high=MOST_SEATS)
    return Facts(
        name=_word(given.get("name"), "its name"),
        max_task_chars=_whole(
            given.get("max_task_chars"), "max_task_chars", low=1, high=MAX_TEXT_CHARACTERS
        ),
        seats=Seats(fewest, _whole(seats[1], "its most seats", low=fewest, high=MOST_SEATS)),
        turn_limit=_whole(given.get("turn_limit"), "turn_limit", low=1, high=MAX_TURNS),
        difficulty_count=_whole(
            given.get("difficulty_count"), "difficulty_count", low=1, high=MAX_DIFFICULTIES
        ),
    )


def read_task(value: Any, *, split: Split, max_characters: int) -> Task:
    given = _object(value, "the task")
    prompt = _text(given.get("prompt"), "the task's prompt", most=max_characters)
    if not prompt.strip():
        raise BadReply("the task's prompt is empty")
    if given.get("split") != split:
        raise BadReply(f"the task is of the split {given.get('split')!r}, not of {split.value!r}")
    return Task(
        kind=_word(given.get("kind"), "the task's kind"),
        prompt=prompt,
        data=read_position(given.get("data")),
        split=split,
    )


def read_position(value: Any) -> dict[str, Any]:
    """A JSON object that a database can keep."""
    given = _object(value, "the position or data")
    waiting: list[Any] = [given]
    while waiting:
        match waiting.pop():
            case dict() as found:
                waiting += [*found, *found.values()]
            case list() as found:
                waiting += found
            case str() as found:
                _text(found, "a text in it", most=MAX_LINE_BYTES)
            case float() as found if not abs(found) < MAX_FLOAT:
                raise BadReply("a number in it is not finite, or too large")
    return given


def score_as_json(score: Score) -> dict[str, Any]:
    return {
        "value": score.value,
        "passed": score.passed,
        "checks": [asdict(check) for check in score.checks],
    }


def read_score(value: Any) -> Score:
    given = _object(value, "the score")
    passed = given.get("passed")
    if not isinstance(passed, bool):
        raise BadReply("`passed` of the score is neither true nor false")
    checks = [_object(one, "a check") for one in _list(given.get("checks"), "the checks")]
    if not all(isinstance(one.get("passed"), bool) for one in checks):
        raise BadReply("`passed` of a check is neither true nor false")
    return Score(
        value=_share(given.get("value"), "the score"),
        passed=passed,
        checks=tuple(
            Check(
                _word(one.get("name"), "a check's name"),
                one["passed"],
                _word(one.get("detail"), "a check's detail"),
            )
            for one in checks
        ),
    )


def read_seats(value: Any, *, seats: Seats) -> tuple[int, ...]:
    movers = tuple(_seat(one, seats=seats) for one in _list(value, "the seats to move"))
    if len(set(movers)) < len(movers):
        raise BadReply("a seat is to move twice at once")
    return movers


def read_messages(value: Any, *, max_characters: int) -> list[Message]:
    messages: list[Message] = []
    for one in _list(value, "the observation"):
        given = _object(one, "a message")
        if given.get("role") not in ("user", "assistant") or given.keys() != {"role", "content"}:
            raise BadReply('a message is not {"role": "user" or "assistant", "content": text}')
        content = _text(given["content"], "a message", most=max_characters)
        messages.append({"role": given["role"], "content": content})
    if not messages:
        raise BadReply("the observation is empty")
    if sum(len(one["content"]) for one in messages) > max_characters:
        raise BadReply(f"the observation is longer than max_task_chars ({max_characters})")
    return messages


def read_moves(value: Any) -> tuple[str, ...]:
    moves = tuple(_word(one, "a move") for one in _list(value, "the moves"))
    if len(set(moves)) < len(moves):
        raise BadReply("a move is listed twice")
    return moves


def read_payoffs(value: Any, *, seats: Seats) -> dict[int, float]:
    """{seat: payoff}; from [[seat, payoff], ...]."""
    payoffs: dict[int, float] = {}
    for one in _list(value, "the payoffs"):
        pair = _list(one, "a payoff")
        if len(pair) != 2:
            raise BadReply("a payoff is not a seat with a number")
        payoffs[_seat(pair[0], seats=seats)] = _share(pair[1], "a payoff")
    return payoffs


def read_view(value: Any, *, seats: Seats) -> View:
    given = _object(value, "the view")
    match given.get("kind"):
        case "text":
            return TextView(_text(given.get("text"), "the view", most=MAX_TEXT_CHARACTERS))
        case "board":
            return _board(given, seats=seats)
        case "table":
            return _table(given, seats=seats)
    raise BadReply("the view is neither a board, a table nor a text")


def _board(board: Mapping[str, Any], *, seats: Seats) -> BoardView:
    cells = _rows(board.get("cells"), "the board")
    labels = _rows(board.get("labels", []), "the board's labels")
    if len({len(row) for row in cells}) != 1:
        raise BadReply("the rows of the board are not equally long, or there are none")
    if labels and [len(row) for row in labels] != [len(row) for row in cells]:
        raise BadReply("the board's labels are not as many as its cells")
    marks = _object(board.get("marks"), "the board's marks")
    last = [_list(one, "the last move") for one in _list(board.get("last", []), "the last move")]
    if any(len(one) != 2 for one in last):
        raise BadReply("the last move is not a row and a column")
    return BoardView(
        cells=cells,
        marks={_word(mark, "a mark"): _seat(seat, seats=seats) for mark, seat in marks.items()},
        last=tuple(
            (
                _whole(row, "the last move's row", low=0, high=len(cells) - 1),
                _whole(column, "the last move's column", low=0, high=len(cells[0]) - 1),
            )
            for row, column in last
        ),
        labels=labels,
        caption=_word(board.get("caption", ""), "the caption"),
    )


def _table(table: Mapping[str, Any], *, seats: Seats) -> TableView:
    head = tuple(_word(one, "a heading") for one in _list(table.get("head"), "the table's head"))
    rows = [_object(one, "a row") for one in _list(table.get("rows"), "the table's rows")]
    cells = _rows([row.get("cells") for row in rows], "the table")
    if any(len(row) != len(head) for row in cells):
        raise BadReply("a row of the table has not as many cells as its head")
    return TableView(
        head=head,
        rows=tuple(
            TableRow(
                None if row.get("seat") is None else _seat(row["seat"], seats=seats), row_cells
            )
            for row, row_cells in zip(rows, cells, strict=True)
        ),
        caption=_word(table.get("caption", ""), "the caption"),
    )


def _rows(value: Any, what: str) -> tuple[tuple[str, ...], ...]:
    return tuple(
        tuple(_word(cell, f"a cell of {what}") for cell in _list(row, f"a row of {what}"))
        for row in _list(value, what)
    )


def read_sentence(value: Any) -> str:
    """A text for people, cut where it is too long."""
    text = value if isinstance(value, str) else ""
    sentence = "".join(letter if letter.isprintable() else " " for letter in text)
    return sentence[:MAX_WORD_CHARACTERS].strip() or "It gave no reason."


def read_move(value: Any) -> str:
    return _text(value, "the move", most=MAX_TEXT_CHARACTERS)


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadReply(f"{what} is not a JSON object")
    return value


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise BadReply(f"{what} is not a list")
    if len(value) > MAX_ITEMS:
        raise BadReply(f"{what} has more than {MAX_ITEMS} items")
    return value


def _whole(value: Any, what: str, *, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise BadReply(f"{what} is not a whole number from {low} to {high}")
    return value


def _seat(value: Any, *, seats: Seats) -> int:
    return _whole(value, "a seat", low=0, high=seats.most - 1)


def _share(value: Any, what: str) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or math.isnan(value) or not 0 <= value <= 1:
        raise BadReply(f"{what} is not a number from 0 to 1")
    return float(value)


def _word(value: Any, what: str) -> str:
    return _text(value, what, most=MAX_WORD_CHARACTERS)


def _text(value: Any, what: str, *, most: int) -> str:
    if not isinstance(value, str):
        raise BadReply(f"{what} is not a text")
    if len(value) > most:
        raise BadReply(f"{what} is longer than {most} characters")
    if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise BadReply(f"{what} holds characters that no database keeps")
    return value
