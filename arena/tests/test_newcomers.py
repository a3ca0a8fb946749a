"""Newcomers win, and the command that measures it refuses what it must."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from frontend.catalog import BY_SLUG


def printed(*arguments: str) -> str:
    out = StringIO()
    call_command("newcomers", "--without-model", *arguments, stdout=out)
    return out.getvalue()


def test_a_newcomer_wins_one_of_its_first_five_matches_in_the_median() -> None:
    text = printed("--space", "tictactoe", "--space", "nim", "--careers", "5")
    rows = [line.split() for line in text.splitlines() if line.startswith("all ")]
    assert [row[1] for row in rows] == list(BY_SLUG)
    assert all(row[4] == "match" and int(row[5]) <= 5 for row in rows), text


def test_a_space_that_judges_decide_is_named() -> None:
    text = printed("--space", "debate", "--careers", "1", "--template", "poet")
    assert text.splitlines()[-1].split(maxsplit=1) == [
        "debate",
        "is decided by its judges: code cannot tell who won",
    ]


def test_unknown_names_and_no_career_are_refused() -> None:
    with pytest.raises(CommandError, match="There is no seeded Space 'chess'"):
        printed("--space", "chess")
    with pytest.raises(CommandError, match="There is no template 'chess'"):
        printed("--template", "chess")
    with pytest.raises(CommandError, match="at least one career"):
        printed("--careers", "0")
