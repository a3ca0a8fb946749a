"""The house's strengths are in their order, and the command that prints them refuses what it must."""

import asyncio
from collections.abc import Mapping
from io import StringIO
from random import Random
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from arena.environments.episode import Episode
from arena.management import bouts
from arena.management.bouts import Contestant
from arena.management.commands import house_strengths
from arena.seeding.house import HOUSE_AGENTS
from arena.seeding.spaces import SPACES


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


def test_a_match_has_the_spaces_own_seats_and_the_strengths_take_turns_in_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: dict[int, set[str]] = {}

    async def answer(
        space: Mapping[str, Any], episode: Episode, seat: int, agent: Contestant, *rest: Any
    ) -> str:
        asked.setdefault(seat, set()).add(agent.name)
        return episode.moves(seat)[0]

    monkeypatch.setattr(bouts, "answer", answer)
    strengths = HOUSE_AGENTS[:2]
    space = next(each for each in SPACES if each["slug"] == "public-goods")
    asyncio.run(house_strengths._match(space, strengths, None, Random(1)))
    stronger, weaker = ({one.name} for one in strengths)
    assert asked == {0: stronger, 1: weaker, 2: stronger, 3: weaker}


def test_an_unknown_space_and_no_match_are_refused() -> None:
    with pytest.raises(CommandError, match="There is no seeded Space 'chess'"):
        printed("--space", "chess")
    with pytest.raises(CommandError, match="at least one match"):
        printed("--matches", "0")


def test_a_space_that_only_judges_decide_is_said_to_be_one() -> None:
    text = printed("--without-model", "--space", "debate", "--matches", "1")
    assert "is decided by its judges: code cannot tell who won" in text
