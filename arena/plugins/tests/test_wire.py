"""What a package's process may send: pure reading."""

import sys
from typing import Any

import pytest

from arena.plugins.wire import BadReply, read_position
from judges.pipes import PipedProcess


@pytest.mark.parametrize("number", [float("inf"), -1e16, 1e300])
def test_a_number_that_no_database_gives_back_is_refused(number: float) -> None:
    with pytest.raises(BadReply, match="not finite, or too large"):
        read_position({"deep": [{"in": [number]}]})


def test_other_numbers_are_kept() -> None:
    position: dict[str, Any] = {"numbers": [0.5, -1e15, 10**30, 0]}
    assert read_position(position) == position


def test_what_a_process_writes_is_read_as_a_database_gives_it_back() -> None:
    said = '{"zero": -0.0, "large": 1e999}'
    child = PipedProcess(
        [sys.executable, "-c", f"print({said!r})"], variables={}, max_line_bytes=99
    )
    reply = child.read(seconds=60.0)
    child.end()
    assert str(reply["zero"]) == "0.0"
    with pytest.raises(BadReply, match="not finite"):
        read_position(reply)
