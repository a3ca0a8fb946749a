"""The house's strengths are in their order, and the command that prints them refuses what it must."""

import asyncio
import json
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
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


def legal(episode: Episode, seat: int) -> str:
    return (*episode.moves(seat), "")[0]


def space_of(slug: str) -> Mapping[str, Any]:
    return next(each for each in SPACES if each["slug"] == slug)


@pytest.mark.slow  # up to four seconds for a Space
@pytest.mark.parametrize("slug", [each["slug"] for each in SPACES if each["slug"] != "debate"])
def test_each_strength_beats_the_weaker_one_in_most_matches(slug: str, tmp_path: Path) -> None:
    report = tmp_path / "strengths.json"
    # Whatever stays under 60 % is a CommandError.
    text = printed("--without-model", "--space", slug, "--json", str(report))
    rows = json.loads(report.read_text())["rows"]
    assert [(row["stronger"], row["weaker"]) for row in rows] == [
        ("House Master", "House Solver"),
        ("House Solver", "House Apprentice"),
    ]
    assert all(row["won"] >= 0.6 and f"{row['won']:5.0%}" in text for row in rows)


def test_the_same_seed_prints_the_same_figures() -> None:
    arguments = ("--without-model", "--space", "tictactoe", "--matches", "20")
    assert printed(*arguments) == printed(*arguments)


def test_an_order_that_is_not_real_ends_in_an_error_after_the_whole_table(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(house_strengths, "STRENGTHS", house_strengths.STRENGTHS[::-1])
    out = StringIO()
    with pytest.raises(CommandError, match=r"^2 of these stayed under 60%\.$"):
        call_command("house_strengths", "--without-model", "--space", "nim", stdout=out)
    assert [line.split()[2] for line in out.getvalue().splitlines() if line[:3] == "nim"] == [
        "Apprentice",
        "Solver",
    ]
    assert "a draw is half of one" in out.getvalue()


def test_head_to_head_the_two_take_turns_in_the_spaces_own_seats(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: dict[int, set[str]] = {}

    async def answer(
        space: Mapping[str, Any], episode: Episode, seat: int, agent: Contestant, *rest: Any
    ) -> str:
        asked.setdefault(seat, set()).add(agent.name)
        return legal(episode, seat)

    monkeypatch.setattr(bouts, "answer", answer)
    strengths = HOUSE_AGENTS[:2]
    asyncio.run(house_strengths._head_to_head(space_of("sums"), strengths, None, "1", 0))
    stronger, weaker = ({one.name} for one in strengths)
    assert asked == {0: stronger, 1: weaker, 2: stronger, 3: weaker}


def test_in_the_same_chair_both_have_the_same_openings_the_same_others_and_the_same_luck(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: dict[str, list[tuple[int, str, str, float]]] = {}

    async def answer(
        space: Mapping[str, Any],
        episode: Episode,
        seat: int,
        agent: Contestant,
        inference: None,
        rng: Random,
    ) -> str:
        if seat == 0:
            asked.setdefault(agent.name, [])
        *_, told = asked.values()
        name = agent.name if seat else "in the chair"
        told.append((seat, name, str(episode.observe(seat)), rng.random()))
        return "0" if seat else "1"

    monkeypatch.setattr(bouts, "answer", answer)
    strengths = HOUSE_AGENTS[:2]
    points = asyncio.run(
        house_strengths._same_chair(space_of("public-goods"), strengths, None, "1", 1)
    )
    assert points is not None
    assert points[0] == points[1] > 0
    first, second = asked.values()
    assert first == second
    assert {(seat, name) for seat, name, *_ in first} == {
        (0, "in the chair"),
        (1, "House Apprentice"),
        (2, "House Master"),
        (3, "House Solver"),
    }


@pytest.mark.parametrize(
    ("slug", "way"),
    [
        ("kuhnpoker", "head to head"),
        ("auction", "head to head"),
        ("constraints", "head to head"),
        ("tiny-poems", "head to head, by form"),
        ("prisoners-dilemma", "same chair"),
        ("negotiation", "same chair"),
        ("public-goods", "same table"),
    ],
)
def test_how_it_is_measured_follows_how_the_space_pays(slug: str, way: str) -> None:
    assert house_strengths._way(space_of(slug)) == way


def test_an_unknown_space_and_no_match_are_refused() -> None:
    with pytest.raises(CommandError, match="There is no seeded Space 'chess'"):
        printed("--space", "chess")
    with pytest.raises(CommandError, match="at least one match"):
        printed("--matches", "0")


def test_a_file_in_a_folder_that_is_not_there_is_refused_before_anything_is_played() -> None:
    with pytest.raises(CommandError, match=r"^There is no folder /nowhere\.$"):
        printed("--without-model", "--json", "/nowhere/strengths.json")
    with pytest.raises(CommandError, match=r"^/tmp is a folder\.$"):
        printed("--without-model", "--json", "/tmp")


def test_a_space_that_only_judges_decide_is_said_to_be_one() -> None:
    text = printed("--without-model", "--space", "debate", "--matches", "1")
    assert "not measured: its judges decide, and code cannot tell who won" in text
