"""Stored views as they are drawn, those of third parties included."""

from typing import Any

import pytest

from arena.environments.base import BoardView, TableRow, TableView, TextView, view_json
from frontend.positions import (
    MAX_CELL_CHARS,
    MAX_COLUMNS,
    MAX_ROWS,
    MAX_TEXT_CHARS,
    Board,
    Table,
    Words,
    drawn,
)

BOARD = BoardView(
    cells=(("X", ""), ("", "O")),
    marks={"X": 0, "O": 1},
    last=((1, 1),),
    labels=(("1", "2"), ("3", "4")),
    caption="Two in a line win.",
)


def test_a_mark_belongs_to_the_seat_that_has_its_role_in_this_round() -> None:
    first, second = drawn(view_json(BOARD), (0, 1)), drawn(view_json(BOARD), (1, 0))
    assert isinstance(first, Board)
    assert isinstance(second, Board)
    assert [(mark.text, mark.seat) for mark in first.marks] == [("X", 0), ("O", 1)]
    assert [(mark.text, mark.seat) for mark in second.marks] == [("X", 1), ("O", 0)]
    assert second.owners == {1: "X", 0: "O"}


def test_a_board_is_told_in_words_and_labels_only_its_empty_cells() -> None:
    board = drawn(view_json(BOARD), (0, 1))
    assert isinstance(board, Board)
    assert board.words == "O on 4: X . / . O"
    assert [label.text for label in board.labels] == ["2", "3"]
    assert (board.width, board.height, board.lines) == (20, 20, "M0 10H20M10 0V20")


def test_a_wide_table_of_seats_is_turned_so_that_a_phone_shows_it() -> None:
    rows = (TableRow(0, tuple("abcde")), TableRow(1, tuple("fghij")))
    table = drawn(view_json(TableView(tuple("12345"), rows)), (1, 0))
    assert isinstance(table, Table)
    assert table.seats == (1, 0)
    assert [(line.name, line.cells) for line in table.lines][:2] == [
        ("1", ("a", "f")),
        ("2", ("b", "g")),
    ]
    narrow = drawn(view_json(TableView(("bid",), (TableRow(0, ("3",)),))), (1, 0))
    assert isinstance(narrow, Table)
    assert (narrow.seats, narrow.lines[0].seat) == ((), 1)


@pytest.mark.parametrize(
    "view",
    [
        {},
        {"kind": "hologram"},
        {"kind": ["board"]},
        {"kind": "board"},
        {"kind": "board", "cells": "XO"},
        {"kind": "board", "cells": []},
        {"kind": "board", "cells": [[]]},
        {"kind": "board", "cells": [["X"] * 27]},
        {"kind": "board", "cells": [["X"]] * 27},
        {"kind": "table", "head": []},
        {"kind": "table", "rows": [{"seat": 0, "cells": ["1"]}]},
    ],
)
def test_a_view_that_cannot_be_drawn_is_not(view: dict[str, Any]) -> None:
    assert drawn(view, (0, 1)) is None


def test_what_does_not_fit_a_view_is_left_out_or_cut() -> None:
    board = drawn(
        {
            "kind": "board",
            "cells": [["X" * 9, 7, None], ["O"], "row"],
            "marks": {"O": 7, "7": True, "X": {}},
            "last": [[0, 0], [9, 9], [0], "12", ["a", "b"], None],
            "labels": [["1"], None],
            "caption": {"not": "text"},
        },
        (0, 1),
    )
    assert isinstance(board, Board)
    assert [(mark.text, mark.seat) for mark in board.marks] == [
        ("XXX…", None), ("7", None), ("O", None),
    ]  # fmt: skip
    assert (len(board.last), board.caption, board.owners) == (1, "", {})
    table = drawn(
        {
            "kind": "table",
            "head": ["h"] * 99,
            "rows": ["row", {"seat": 5, "cells": ["c" * 999]}, {"cells": None}] * 99,
        },
        (0, 1),
    )
    assert isinstance(table, Table)
    assert (len(table.head), len(table.lines)) == (MAX_COLUMNS, MAX_ROWS)
    assert {len(line.cells) for line in table.lines} == {MAX_COLUMNS}
    assert len(table.lines[0].cells[0]) == MAX_CELL_CHARS
    words = drawn(view_json(TextView("w" * 99_999)), (0, 1))
    assert isinstance(words, Words)
    assert len(words.text) == MAX_TEXT_CHARS
