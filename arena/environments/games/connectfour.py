"""Connect four as textarena's ConnectFour-v0 plays it; unseen: with five columns instead of seven. Pure.

A lost turn is a pass; after a pass of each seat in a row the game is a draw. A position's value is
1 or 0 where DEPTH moves decide it, by alpha-beta search, and otherwise

    0.5 + t / (2 (|t| + 4)),   t = the seat's free cells that would complete four, less the other's

which is inside (0, 1): about 0.6 for one cell more, 0.7 for three.
"""

from collections.abc import Iterable, Mapping
from random import Random

from arena.environments.base import BoardView, Position, Seats, Split
from arena.environments.games.base import Game
from arena.environments.games.bitboards import WON, Grid, grid
from arena.environments.games.reading import read_move

MARKS = "XO"  # of seats 0 and 1
ROWS, COLUMNS, UNSEEN_COLUMNS = 6, 7, 5
PLIES = (12, 8, 4)  # already played at each difficulty
DEPTH = 4  # moves that a value looks ahead
FAIR_DEPTH = 3  # moves that decide no opening


class ConnectFour(Game):
    """Position: {"columns": marks from the bottom up, "turn": seat, "passed", "last": [column]}."""

    slug = "connectfour"
    name = "Connect four"
    max_task_chars = 340
    seats = Seats(2, 2)
    turn_limit = 2 * (ROWS * COLUMNS - PLIES[-1])  # a pass before each move
    difficulty_count = len(PLIES)

    def opening(self, rng: Random, split: Split, difficulty: int) -> Position:
        columns = [""] * (UNSEEN_COLUMNS if split is Split.UNSEEN else COLUMNS)
        for ply in range(PLIES[difficulty]):
            at = rng.choice([number for number, each in enumerate(columns) if len(each) < ROWS])
            columns[at] += MARKS[ply % 2]
        return {"columns": columns, "turn": 0, "passed": 0, "last": []}

    def is_fair(self, position: Position) -> bool:
        board, own, other = _boards(position, 0)
        if board.has_four(own) or board.has_four(other):
            return False
        return abs(board.search(own, other, FAIR_DEPTH)) < WON

    def likeness(self, position: Position, seat: int) -> object:
        """The board or its mirror image."""
        columns = list(position["columns"])
        return [seat, min(columns, columns[::-1])]

    def mirrored(self, position: Position) -> Iterable[Position]:
        return position, {**position, "columns": position["columns"][::-1]}

    def to_move(self, position: Position) -> tuple[int, ...]:
        over = position["passed"] == 2 or _has_won(position) or not _open_columns(position)
        return () if over else (position["turn"],)

    def describe(self, position: Position, seat: int) -> str:
        rows = "\n".join(" ".join(mark or "." for mark in row) for row in _rows(position))
        numbers = " ".join(str(number + 1) for number in range(len(position["columns"])))
        return (
            f"Connect four. You play {MARKS[seat]}, the other plays {MARKS[1 - seat]}. A mark falls "
            "to the lowest free cell of its column. Four of your own marks in a line, in any "
            "direction, win.\n"
            f"{rows}\n{numbers} (columns)\n"
            "Answer with the number of one column that has room: "
            f"{', '.join(self.moves(position, seat))}."
        )

    def moves(self, position: Position, seat: int) -> tuple[str, ...]:
        return tuple(str(number + 1) for number in _open_columns(position))

    def act(self, position: Position, seat: int, text: str) -> Position:
        column = int(read_move(text, self.moves(position, seat))) - 1
        columns = list(position["columns"])
        columns[column] += MARKS[seat]
        return {"columns": columns, "turn": 1 - seat, "passed": 0, "last": [column]}

    def forfeit(self, position: Position, seat: int) -> Position:
        return {**position, "turn": 1 - seat, "passed": position["passed"] + 1}

    def payoffs(self, position: Position) -> Mapping[int, float]:
        if not _has_won(position):
            return {0: 0.5, 1: 0.5}
        winner = MARKS.index(position["columns"][position["last"][0]][-1])
        return {winner: 1.0, 1 - winner: 0.0}

    def view(self, position: Position) -> BoardView:
        last = position["last"]
        return BoardView(
            cells=tuple(_rows(position)),
            marks={mark: seat for seat, mark in enumerate(MARKS)},
            last=tuple((ROWS - len(position["columns"][column]), column) for column in last),
            caption="Four in a line win.",
        )

    def value(self, position: Position, seat: int) -> float:
        if not self.to_move(position):
            return self.payoffs(position)[seat]
        mover = position["turn"]
        board, own, other = _boards(position, mover)
        score = board.search(own, other, DEPTH)
        value = float(score > 0) if abs(score) >= WON else 0.5 + score / (2 * (abs(score) + 4))
        return value if mover == seat else 1 - value

    def solve(self, position: Position, seat: int, rng: Random) -> str:
        return self.draw_best(position, seat, rng)


def _open_columns(position: Position) -> list[int]:
    return [number for number, column in enumerate(position["columns"]) if len(column) < ROWS]


def _boards(position: Position, seat: int) -> tuple[Grid, int, int]:
    """The board, the seat's cells and the other's."""
    board = grid(len(position["columns"]), ROWS)
    boards = board.boards(position["columns"], MARKS)
    return board, boards[seat], boards[1 - seat]


def _has_won(position: Position) -> bool:
    """Whether the last move has completed four."""
    if not position["last"]:
        return False
    mover = MARKS.index(position["columns"][position["last"][0]][-1])
    board, own, _ = _boards(position, mover)
    return board.has_four(own)


def _rows(position: Position) -> list[tuple[str, ...]]:
    """The board's rows from the top, with "" for a free cell."""
    return [
        tuple(column[row] if row < len(column) else "" for column in position["columns"])
        for row in reversed(range(ROWS))
    ]
