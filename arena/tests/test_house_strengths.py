"""The house's strengths are in their order, and the command that prints them refuses what it must."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from arena.management.commands.house_strengths import wilson


def printed(*arguments: str) -> str:
    out = StringIO()
    call_command("house_strengths", *arguments, stdout=out)
    return out.getvalue()


def test_the_stronger_coded_agent_wins_more_often() -> None:
    text = printed("--without-model", "--space", "tictactoe", "--matches", "20")
    rows = [line.split() for line in text.splitlines() if line.startswith("tictactoe")]
    assert [row[2] for row in rows] == ["Master", "Solver"]
    assert all(int(row[5].rstrip("%")) > 50 for row in rows)
    assert text == printed("--without-model", "--space", "tictactoe", "--matches", "20")


def test_an_unknown_space_and_no_match_are_refused() -> None:
    with pytest.raises(CommandError, match="There is no seeded Space 'chess'"):
        printed("--space", "chess")
    with pytest.raises(CommandError, match="at least one match"):
        printed("--matches", "0")


def test_an_interval_holds_its_share_and_narrows() -> None:
    assert wilson(1.0, 40)[1] == 1.0
    few, many = wilson(0.6, 10), wilson(0.6, 1000)
    assert few[0] < many[0] < 0.6 < many[1] < few[1]
