"""The package of the documentation: built by pip, allowed by the setting, and played."""

import importlib
import shutil
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from random import Random

import pytest
from django.core.management import CommandError, call_command

from arena.config.env import REPOSITORY
from arena.environments.base import IllegalTurn, Split, TableView
from arena.environments.conformance import check
from arena.models import Space
from arena.plugins.environment import PluginEnvironment
from arena.plugins.tests.builders import NAUGHTY, allowed, built, install

EXAMPLE = REPOSITORY / "docs" / "examples" / "rlfc-highest-card"


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the example as pip installs it, and with a package that cannot start."""
    source = shutil.copytree(EXAMPLE, tmp_path_factory.mktemp("source") / "example")
    folder = built(source, tmp_path_factory.mktemp("packages"))
    install(folder, NAUGHTY, offers={"cannot-start": "CannotStart"})
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    yield folder
    sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def game(packages: Path) -> Iterator[PluginEnvironment]:
    plugin = PluginEnvironment("highest-card")
    yield plugin
    plugin.close()


def test_a_strangers_package_is_installed_and_plays_whole_episodes(game: PluginEnvironment) -> None:
    for seats in (2, 3, 4):
        task = game.make_task(Random(seats), Split.TRAIN, difficulty=2)
        position = game.begin(task, seats)
        turns = 0
        while movers := game.to_move(position):
            for seat in movers:
                assert "Your cards:" in game.observe(position, seat)[0]["content"]
                move = game.solve(position, seat, Random(0)) if seat else "My card: 9"
                if seat == 0:
                    with pytest.raises(IllegalTurn, match="You do not hold 9; you hold"):
                        game.act(position, seat, move)
                    position = game.forfeit(position, seat)
                else:
                    assert move in game.moves(position, seat)
                    position = game.act(position, seat, move)
                turns += 1
            view = game.view(position)
            assert isinstance(view, TableView)
            assert [row.seat for row in view.rows] == list(range(seats))
        assert turns == 5 * seats <= game.turn_limit
        assert sum(game.payoffs(position).values()) == pytest.approx(1.0)


def test_the_example_keeps_its_promises_through_its_own_process(game: PluginEnvironment) -> None:
    assert check(game, episodes=5, tasks=10).problems == []
    task = game.practice_task(Random(3), Split.HELDOUT)
    best = game.solve(task.data["position"], task.data["seat"], Random(0))
    assert game.score(task, best).value == 1
    assert game.score(task, "no card").value == 0


def test_the_example_is_never_imported_here(game: PluginEnvironment) -> None:
    assert game.name == "Highest Card"
    assert "rlfc_highest_card" not in sys.modules


def told(*arguments: str) -> str:
    out = StringIO()
    call_command("environments", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_lists_what_can_be_played_what_is_broken_and_what_is_not_allowed(
    packages: Path,
) -> None:
    lines = told().splitlines()
    assert lines[0].split() == ["slug", "name", "seats", "turns", "difficulties", "from"]
    assert any(
        line.split() == ["arithmetic", "Arithmetic", "1", "to", "8", "1", "1", "RLFC", "Arena"]
        for line in lines
    )
    assert "Installed but not allowed: highest-card (rlfc-highest-card 1.0.0)." in "\n".join(lines)

    with allowed("highest-card", "cannot-start", "gone"):
        listed = " ".join(told().split())
    assert "plugin/highest-card Highest Card 2 to 4 24 3 rlfc-highest-card 1.0.0" in listed
    assert (
        "Broken: The environment plugin/cannot-start failed: it cannot be loaded: RuntimeError"
        in (listed)
    )
    assert "No installed package offers the environment 'gone'" in listed
    assert "not allowed" not in listed


@pytest.mark.django_db(transaction=True)
def test_the_examples_space_is_opened_by_its_file(packages: Path) -> None:
    with allowed("highest-card"):
        call_command("seed", "--space", EXAMPLE / "space.json")
    space = Space.objects.get(slug="highest-card")
    assert (space.environment, space.restricts_moves) == ("plugin/highest-card", True)


def test_the_command_checks_a_package_before_it_is_allowed(packages: Path) -> None:
    said = told("--check", "plugin/highest-card", "--episodes", "3")
    assert "Tasks: 30 of 300\n" in said
    assert "Episodes: 3 of 3\n" in said
    assert "3 episodes of at most" in said
    assert "plugin/highest-card keeps its promises." in said
    with pytest.raises(CommandError, match="no licence"):
        told("--check", "plugin/cannot-start", "--episodes", "3")
    with pytest.raises(CommandError, match="There is no environment 'unheard'"):
        told("--check", "unheard")
