"""Tic-tac-toe as textarena's TicTacToe-v0 plays it; unseen: whoever makes three in a row loses. Pure.

Unseen are the rules of textarena's ReverseTicTacToe-v0. A lost turn is a pass; after a pass of
each seat in a row the game is a draw. Values are exact, by minimax.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from random import Random

from arena.environments.base import BoardView, Position, Seats, Split
from arena.environments.games.base import Game
from arena.environments.games.reading import read_move

FREE = "."
MARKS = "XO"  # of seats 0 and 1
PLIES = (4, 2)  # already played at each difficulty
LINES = ((0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6))
QUARTER_TURN = (6, 3, 0, 7, 4, 1, 8, 5, 2)
MIRROR = (2, 1, 0, 5, 4, 3, 8, 7, 6)


class TicTacToe(Game):
    """Position: {"board": nine of "X", "O", ".", "turn": seat, "reverse", "passed", "last": [cell]}."""

    slug = "tictactoe"
    name = "Tic-tac-toe"
    max_task_chars = 240
    seats = Seats(2, 2)
    turn_limit = 14  # seven free squares, and a pass before each
    difficulty_count = len(PLIES)

    def opening(self, rng: Random, split: Split, difficulty: int) -> Position:
        board = list(FREE * 9)
        for ply, cell in enumerate(rng.sample(range(9), PLIES[difficulty])):
            board[cell] = MARKS[ply % 2]
        reverse = split is Split.UNSEEN
        return {"board": "".join(board), "turn": 0, "reverse": reverse, "passed": 0, "last": []}

    def is_fair(self, position: Position) -> bool:
        return self.value(position, 0) == 0.5

    def likeness(self, position: Position, seat: int) -> object:
        """The board however it is turned or mirrored."""
        return [max(_mirrored(position["board"])), seat, position["reverse"]]

    def mirrored(self, position: Position) -> Iterable[Position]:
        return [{**position, "board": board} for board in _mirrored(position["board"])]

    def to_move(self, position: Position) -> tuple[int, ...]:
        board = position["board"]
        over = won_line(board) or FREE not in board or position["passed"] == 2
        return () if over else (position["turn"],)

    def describe(self, position: Position, seat: int) -> str:
        board = position["board"]
        squares = [str(at + 1) if mark == FREE else mark for at, mark in enumerate(board)]
        rows = "\n".join(" ".join(squares[row : row + 3]) for row in (0, 3, 6))
        return (
            f"Tic-tac-toe. You play {MARKS[seat]}, the other plays {MARKS[1 - seat]}. Whoever gets "
            f"three of their own marks in a line {'loses' if position['reverse'] else 'wins'}.\n"
            f"The board, with the numbers of the free squares:\n{rows}\n"
            f"Answer with the number of one free square: {', '.join(self.moves(position, seat))}."
        )

    def moves(self, position: Position, seat: int) -> tuple[str, ...]:
        return tuple(str(cell + 1) for cell in free_cells(position["board"]))

    def act(self, position: Position, seat: int, text: str) -> Position:
        cell = int(read_move(text, self.moves(position, seat))) - 1
        board = placed(position["board"], cell, seat)
        return {**position, "board": board, "turn": 1 - seat, "passed": 0, "last": [cell]}

    def forfeit(self, position: Position, seat: int) -> Position:
        return {**position, "turn": 1 - seat, "passed": position["passed"] + 1}

    def payoffs(self, position: Position) -> Mapping[int, float]:
        line = won_line(position["board"])
        if not line:
            return {0: 0.5, 1: 0.5}
        winner = MARKS.index(position["board"][line[0]]) ^ position["reverse"]
        return {winner: 1.0, 1 - winner: 0.0}

    def view(self, position: Position) -> BoardView:
        board = position["board"]
        shown = won_line(board) or position["last"]
        return BoardView(
            cells=tuple(
                tuple("" if mark == FREE else mark for mark in board[row : row + 3])
                for row in (0, 3, 6)
            ),
            marks={mark: seat for seat, mark in enumerate(MARKS)},
            last=tuple(divmod(cell, 3) for cell in shown),
            labels=tuple(tuple(str(cell + 1) for cell in range(row, row + 3)) for row in (0, 3, 6)),
            caption="Three in a line lose." if position["reverse"] else "",
        )

    def value(self, position: Position, seat: int) -> float:
        if not self.to_move(position):
            return self.payoffs(position)[seat]
        mover = position["turn"]
        value = (1 + outcome(position["board"], mover, position["reverse"])) / 2
        return value if mover == seat else 1 - value

    def solve(self, position: Position, seat: int, rng: Random) -> str:
        return self.draw_best(position, seat, rng)


def _mirrored(board: str) -> list[str]:
    """The board in all eight ways to turn and mirror it."""
    boards = []
    for _ in range(4):
        board = "".join(board[cell] for cell in QUARTER_TURN)
        boards += [board, "".join(board[cell] for cell in MIRROR)]
    return boards


def won_line(board: str) -> tuple[int, ...]:
    """The first line of three equal marks, or ()."""
    for line in LINES:
        first, second, third = line
        if board[first] != FREE and board[first] == board[second] == board[third]:
            return line
    return ()


def free_cells(board: str) -> list[int]:
    return [cell for cell, mark in enumerate(board) if mark == FREE]


def placed(board: str, cell: int, seat: int) -> str:
    return board[:cell] + MARKS[seat] + board[cell + 1 :]


@cache  # at most 3 ** 9 boards, with two seats and two rules
def outcome(board: str, seat: int, reverse: bool) -> int:
    """1 if the seat to move wins with best play on both sides, -1 if it loses, 0 for a draw."""
    if won_line(board):  # by the other seat's last move
        return 1 if reverse else -1
    cells = free_cells(board)
    if not cells:
        return 0
    return max(-outcome(placed(board, cell, seat), 1 - seat, reverse) for cell in cells)
