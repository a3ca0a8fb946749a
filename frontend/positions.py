"""Stored views of positions as they are drawn.

A view is JSON that an environment made, perhaps one of a third party's package: whatever does not
fit is left out or cut, and what cannot be read at all is not drawn.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

CELL = 10  # units of a board's drawing
INSET = 0.4
MAX_BOARD_SIDE = 26  # cells
MAX_MARK_CHARS = 4
MAX_LABEL_CHARS = 4
MAX_ROWS = 60  # of a table
MAX_COLUMNS = 40
MAX_CELL_CHARS = 60
MAX_CAPTION_CHARS = 300
MAX_TEXT_CHARS = 4000
TURNED_FROM_COLUMNS = 5  # a table of seats this wide has a column for each seat instead


@dataclass(frozen=True)
class Mark:
    """A mark on the board, or the label of an empty cell; (x, y) is the middle of its cell."""

    x: float
    y: float
    text: str
    seat: int | None  # of the match


@dataclass(frozen=True)
class Corner:
    """The top left corner of a highlight, a little inside its cell."""

    x: float
    y: float


@dataclass(frozen=True)
class Board:
    width: int
    height: int
    lines: str  # the path of the grid
    marks: tuple[Mark, ...]
    labels: tuple[Mark, ...]
    last: tuple[Corner, ...]
    owners: Mapping[int, str]  # seat -> its marks
    words: str  # the board for those who do not see it
    caption: str
    kind: str = "board"

    @property
    def mark_chars(self) -> int:
        """Of the longest mark: a single letter is drawn large."""
        return max((len(mark.text) for mark in self.marks), default=1)


@dataclass(frozen=True)
class TableLine:
    """A row of a table; `seat` is whose it is, `name` what it begins with otherwise."""

    seat: int | None
    cells: tuple[str, ...]
    name: str = ""


@dataclass(frozen=True)
class Table:
    head: tuple[str, ...]
    seats: tuple[int, ...]  # whose columns they are, if the table was turned
    lines: tuple[TableLine, ...]
    has_names: bool  # whether rows begin with a seat or a name
    caption: str
    kind: str = "table"


@dataclass(frozen=True)
class Words:
    text: str
    caption: str = ""
    kind: str = "text"


Drawn: TypeAlias = Board | Table | Words


def drawn(view: Mapping[str, Any], order: Sequence[int]) -> Drawn | None:
    """The view with the match's seats in place of roles; None if it cannot be drawn."""
    match view.get("kind"):
        case "board":
            return _board(view, order)
        case "table":
            return _table(view, order)
        case "text":
            return Words(_cut(view.get("text"), MAX_TEXT_CHARS))
    return None


def _board(view: Mapping[str, Any], order: Sequence[int]) -> Board | None:
    rows = [_list(row) for row in _list(view.get("cells"))]
    height, width = len(rows), max(map(len, rows), default=0)
    if not (0 < height <= MAX_BOARD_SIDE and 0 < width <= MAX_BOARD_SIDE):
        return None
    cells = [[_cut(cell, MAX_MARK_CHARS) for cell in row] for row in rows]
    labels = [
        [_cut(cell, MAX_LABEL_CHARS) for cell in _list(row)] for row in _list(view.get("labels"))
    ]
    roles = view.get("marks")
    seats = {
        _cut(mark, MAX_MARK_CHARS): seat
        for mark, role in (roles.items() if isinstance(roles, dict) else ())
        if (seat := _seat(role, order)) is not None
    }
    last = [place for place in _list(view.get("last")) if _is_place(place, height, width)]
    owners: dict[int, str] = {}
    for mark, seat in seats.items():
        owners[seat] = f"{owners[seat]} {mark}" if seat in owners else mark
    return Board(
        width=width * CELL,
        height=height * CELL,
        lines=_grid(height, width),
        marks=tuple(
            Mark((column + 0.5) * CELL, (row + 0.5) * CELL, mark, seats.get(mark))
            for row, line in enumerate(cells)
            for column, mark in enumerate(line)
            if mark
        ),
        labels=tuple(
            Mark((column + 0.5) * CELL, (row + 0.5) * CELL, label, None)
            for row, line in enumerate(labels[:height])
            for column, label in enumerate(line[:width])
            if label and not _at(cells, row, column)
        ),
        last=tuple(Corner(column * CELL + INSET, row * CELL + INSET) for row, column in last),
        owners=owners,
        words=_in_words(cells, labels, last, width),
        caption=_cut(view.get("caption"), MAX_CAPTION_CHARS),
    )


def _grid(height: int, width: int) -> str:
    across = "".join(f"M0 {row * CELL}H{width * CELL}" for row in range(1, height))
    down = "".join(f"M{column * CELL} 0V{height * CELL}" for column in range(1, width))
    return across + down


def _in_words(
    cells: Sequence[Sequence[str]],
    labels: Sequence[Sequence[str]],
    last: Sequence[Sequence[int]],
    width: int,
) -> str:
    """The newest move if there is one, then the rows: X on 5: X O . / . X . / . . O."""
    places = ", ".join(
        _at(labels, row, column) or f"row {row + 1} column {column + 1}" for row, column in last
    )
    moved = f"{_at(cells, *last[0]) or 'The last move'} on {places}: " if last else ""
    rows = (
        " ".join(_at(cells, row, column) or "." for column in range(width))
        for row in range(len(cells))
    )
    return moved + " / ".join(rows)


def _table(view: Mapping[str, Any], order: Sequence[int]) -> Table | None:
    rows = [row for row in _list(view.get("rows")) if isinstance(row, dict)][:MAX_ROWS]
    head = tuple(_cut(cell, MAX_CELL_CHARS) for cell in _list(view.get("head"))[:MAX_COLUMNS])
    lines = tuple(
        TableLine(
            seat=_seat(row.get("seat"), order),
            cells=tuple(
                _cut(cell, MAX_CELL_CHARS) for cell in _list(row.get("cells"))[: len(head)]
            ),
        )
        for row in rows
    )
    if not head:
        return None
    seats = [line.seat for line in lines if line.seat is not None]
    table = Table(
        head=head,
        seats=(),
        lines=tuple(replace(line, cells=_padded(line.cells, len(head))) for line in lines),
        has_names=bool(seats),
        caption=_cut(view.get("caption"), MAX_CAPTION_CHARS),
    )
    is_of_seats = len(seats) == len(lines) == len(set(seats)) > 0
    return _turned(table, seats) if is_of_seats and len(head) >= TURNED_FROM_COLUMNS else table


def _turned(table: Table, seats: Sequence[int]) -> Table:
    """A column for each seat: narrow enough for a phone."""
    lines = tuple(
        TableLine(None, tuple(line.cells[column] for line in table.lines), name=name)
        for column, name in enumerate(table.head)
    )
    return replace(table, head=(), seats=tuple(seats), lines=lines)


def _padded(cells: tuple[str, ...], count: int) -> tuple[str, ...]:
    return cells + ("",) * (count - len(cells))


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _cut(value: object, length: int) -> str:
    """The text of a JSON value that is a word or number, at most `length` characters."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    text = str(value)
    return text if len(text) <= length else text[: length - 1] + "…"


def _seat(role: object, order: Sequence[int]) -> int | None:
    is_role = isinstance(role, int) and not isinstance(role, bool) and 0 <= role < len(order)
    return order[role] if is_role else None  # type: ignore[call-overload]


def _is_place(place: object, height: int, width: int) -> bool:
    match place:
        case [int(row), int(column)]:
            return 0 <= row < height and 0 <= column < width
    return False


def _at(cells: Sequence[Sequence[str]], row: int, column: int) -> str:
    return cells[row][column] if row < len(cells) and column < len(cells[row]) else ""
