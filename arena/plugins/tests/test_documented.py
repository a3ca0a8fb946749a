"""What docs/environments.md tells a person to write works as it stands, and its limits are ours."""

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from agents.inference.moves import MAX_MOVE_TOKENS, MAX_MOVES
from arena.config.env import REPOSITORY
from arena.config.gpu.hardware import CONTEXT_TOKENS
from arena.environments.conformance import check
from arena.environments.question import MOST_SEATS
from arena.models import Space
from arena.models.spaces import LEAST_PROMPT_TOKENS
from arena.plugins import wire
from arena.plugins.environment import CALL_SECONDS, START_SECONDS, PluginEnvironment
from arena.plugins.tests.builders import allowed, built

PAGE = (REPOSITORY / "docs" / "environments.md").read_text()
FILES = dict(re.findall(r"^```\w+ (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The page's files in one folder; its package is installed on Python's path."""
    source = tmp_path_factory.mktemp("source")
    for name, text in FILES.items():
        (source / name).write_text(text)
    folder = str(built(source, tmp_path_factory.mktemp("packages")))
    sys.path.insert(0, folder)
    importlib.invalidate_caches()
    yield source
    sys.path.remove(folder)
    sys.modules.pop("rlfc_letters", None)


def defined(name: str) -> dict[str, Any]:
    """What the page's file of this name defines."""
    names: dict[str, Any] = {}
    exec(compile(FILES[name], name, "exec"), names)
    return names


def test_the_question_keeps_its_promises_through_its_own_process(source: Path) -> None:
    plugin = PluginEnvironment("letters")
    try:
        assert check(plugin, episodes=20, tasks=10).problems == []
    finally:
        plugin.close()


def test_the_test_of_ones_own_passes(source: Path) -> None:
    defined("test_letters.py")["test_it_keeps_its_promises"]()


def test_the_game_keeps_its_promises_without_a_slug() -> None:
    race = defined("rlfc_race.py")["Race"]()
    assert check(race, episodes=50, tasks=20).problems == []


@pytest.mark.django_db(transaction=True)
def test_the_space_is_opened_by_its_file(source: Path) -> None:
    with allowed("letters"):
        call_command("seed", "--space", source / "space.json")
    assert Space.objects.get(slug="letters").environment == "plugin/letters"


@pytest.mark.parametrize(
    ("of", "most"),
    [
        ("seats", MOST_SEATS),
        ("`turn_limit`", wire.MAX_TURNS),
        ("`difficulty_count`", wire.MAX_DIFFICULTIES),
        ("`max_task_chars`", wire.MAX_TEXT_CHARACTERS),
        ("`max_task_chars`", LEAST_PROMPT_TOKENS),
        ("`max_task_chars`", CONTEXT_TOKENS),
        ("a position or `data`", wire.MAX_LINE_BYTES // 1_000_000),
        ("a name, kind, listed move, cell, caption, check or reason", wire.MAX_WORD_CHARACTERS),
        ("a list of moves, checks or rows", wire.MAX_ITEMS),
        ("a list of moves, checks or rows", MAX_MOVES),
        ("a list of moves, checks or rows", MAX_MOVE_TOKENS),
        ("a call", int(CALL_SECONDS)),
        ("a call", int(START_SECONDS)),
    ],
)
def test_each_limit_is_told(of: str, most: int) -> None:
    (told,) = re.findall(
        rf"^\| {re.escape(of)} \| (.*) \|$", PAGE.partition("The limits:")[2], re.MULTILINE
    )
    assert f"{most:,}" in re.findall(r"\d[\d,]*\d|\d", told)
