"""A plug-in can do nothing but compute, and each way of misbehaving is one clear sentence."""

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from arena.environments import ENVIRONMENTS
from arena.environments.base import (
    EnvironmentFault,
    IllegalTurn,
    Seats,
    Split,
    Task,
    TextView,
    UnknownEnvironment,
)
from arena.environments.registry import Registry
from arena.plugins.environment import MAX_PAUSE_SECONDS, PluginEnvironment, family
from arena.plugins.tests.builders import NAUGHTY, install

CLASSES = {
    "naughty": "Naughty",
    "cannot-start": "CannotStart",
    "never-starts": "NeverStarts",
    "halved": "Halved",
    "boundless": "Boundless",
    "no-module": "Nothing",
}
ANSWERS = {"answers": [None, None]}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("packages")
    install(folder, NAUGHTY, offers=CLASSES)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    yield folder
    sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def shared(packages: Path) -> Iterator[PluginEnvironment]:
    plugin = PluginEnvironment("naughty", call_seconds=2.0)
    yield plugin
    plugin.close()


@pytest.fixture
def naughty(shared: PluginEnvironment, monkeypatch: pytest.MonkeyPatch) -> PluginEnvironment:
    """Rested after what earlier tests made it do."""
    monkeypatch.setattr(shared._host, "_rests_until", 0.0)
    monkeypatch.setattr(shared._host, "_faults", 0)
    return shared


def works(plugin: PluginEnvironment) -> bool:
    return plugin.act(ANSWERS, 1, "fine") == {"answers": [None, "fine"]}


def test_a_plugin_is_an_environment_like_any_other(naughty: PluginEnvironment) -> None:
    assert (naughty.slug, naughty.name) == ("plugin/naughty", "Naughty")
    assert (naughty.seats, naughty.turn_limit, naughty.max_task_chars) == (Seats(1, 4), 1, 100)
    task = naughty.make_task(Random(1), Split.HELDOUT)
    assert task == naughty.make_task(Random(1), Split.HELDOUT)
    assert task != naughty.make_task(Random(2), Split.HELDOUT)
    position = naughty.begin(task, 3)
    assert naughty.to_move(position) == (0, 1, 2)
    assert naughty.observe(position, 1) == [{"role": "user", "content": "Do something."}]
    assert naughty.moves(position, 1) == ("a", "b")
    assert naughty.to_move(naughty.forfeit(position, 1)) == (0, 2)
    assert naughty.payoffs(position) == {}
    assert naughty.view(position) == TextView("words")
    assert naughty.solve(position, 0, Random(1)) == naughty.solve(position, 0, Random(1))
    assert naughty.score(task, "any").value == 0.5


def test_an_illegal_move_is_the_seats_and_its_sentence_is_cut(naughty: PluginEnvironment) -> None:
    with pytest.raises(IllegalTurn, match=r"^That is not allowed\. x+$") as refusal:
        naughty.act(ANSWERS, 0, "illegal")
    assert len(str(refusal.value)) == 500


@pytest.mark.parametrize(
    ("deed", "sentence"),
    [
        ("raise", r"act\(\) failed: ZeroDivisionError: division by zero \(naughty.py, line \d+\)"),
        ("exit", r"act\(\) failed: SystemExit: bye"),
        ("end", r"its process ended in act\(\)"),
        ("hang", r"act\(\) took longer than 2 seconds"),
        ("spin", r"act\(\) took longer than 2 seconds"),
        ("write", r"PermissionError"),
        ("append", r"PermissionError"),
        ("delete", r"PermissionError"),
        ("fork", r"PermissionError"),
        ("program", r"PermissionError"),
        ("empty", r"PermissionError"),
        ("kill", r"PermissionError"),
        ("slow down", r"PermissionError"),
        ("starve", r"PermissionError"),
        ("pin", r"PermissionError"),
        ("queue a signal", r"PermissionError"),
        ("be signalled for", r"PermissionError"),
        ("connect", r"PermissionError"),
        ("read", r"PermissionError"),
        ("memory", r"MemoryError"),
        ("open many", r"Too many open files"),
        ("large", r"its reply has 10,000,0\d\d bytes; the most are 1,000,000"),
        ("list", r"act\(\) gave a wrong answer: the position or data is not a JSON object"),
        ("set", r"act\(\) failed: TypeError: Object of type set is not JSON serializable"),
        ("NaN", r"act\(\) failed: ValueError: Out of range float values are not JSON compliant"),
        ("surrogate", r"holds characters that no database keeps"),
        ("babble", r"act\(\) broke the protocol"),
        ("forge", r"act\(\) (broke the protocol|got the reply to another call)"),
    ],
)
def test_each_misdeed_is_a_sentence_and_the_next_call_works(
    naughty: PluginEnvironment, packages: Path, deed: str, sentence: str
) -> None:
    with pytest.raises(EnvironmentFault, match=sentence) as fault:
        naughty.act(ANSWERS, 0, deed)
    assert str(fault.value).startswith("The environment plugin/naughty failed: ")
    assert works(naughty)
    assert not (packages / "written").exists()
    assert (packages / "naughty.py").read_text() == NAUGHTY


@pytest.mark.parametrize("deed", ["print", "thread", "deep"])
def test_what_hurts_nobody_is_no_fault(naughty: PluginEnvironment, deed: str) -> None:
    naughty.act(ANSWERS, 0, deed)
    assert works(naughty)


def test_a_plugin_learns_nothing_of_the_sites_variables(
    naughty: PluginEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "s3cret")
    naughty.close()
    known = set(naughty.act(ANSWERS, 0, "environment")["answers"])
    assert not {"SECRET_KEY", "DATABASE_URL", "VALKEY_URL", "HOME"} & known


@pytest.mark.parametrize("text", ["NaN", "infinite", "two", "text"])
def test_a_score_that_is_no_share_is_a_fault(naughty: PluginEnvironment, text: str) -> None:
    with pytest.raises(EnvironmentFault, match=r"score\(\)"):
        naughty.score(Task("a", "b", {}), text)


@pytest.mark.parametrize(
    ("inner", "call", "sentence"),
    [
        ({"movers": [4]}, "to_move", "a seat is not a whole number from 0 to 3"),
        ({"movers": [0, 0]}, "to_move", "a seat is to move twice at once"),
        ({"payoffs": [[0, 0.5], [7, 0.5]]}, "payoffs", "a seat is not a whole number"),
        ({"payoffs": [[0, -1], [1, 0.5]]}, "payoffs", "a payoff is not a number from 0 to 1"),
        ({"view": "words"}, "view", r"view\(\) failed: TypeError"),
    ],
)
def test_what_no_correct_environment_says_is_a_fault(
    naughty: PluginEnvironment, inner: dict[str, object], call: str, sentence: str
) -> None:
    position = {"answers": [None, None]} | inner
    with pytest.raises(EnvironmentFault, match=sentence):
        getattr(naughty, call)(position)


@pytest.mark.parametrize(
    ("shown", "sentence"),
    [
        ("x" * 101, "a message is longer than 100"),
        (7, "is not a text"),
        ("\0", "no database keeps"),
    ],
)
def test_a_seat_is_shown_a_text_of_the_length_that_was_promised(
    naughty: PluginEnvironment, shown: object, sentence: str
) -> None:
    position = {"answers": [None], "shown": shown}
    with pytest.raises(EnvironmentFault, match=sentence):
        naughty.observe(position, 0)


def test_more_seats_than_a_game_has_are_refused(naughty: PluginEnvironment) -> None:
    with pytest.raises(EnvironmentFault, match="is played by 1 to 4 seats, not 5"):
        naughty.begin(Task("a", "b", {}), 5)


def test_a_process_that_somebody_killed_is_not_noticed(naughty: PluginEnvironment) -> None:
    assert works(naughty)
    child = naughty._host._child
    assert child is not None
    os.kill(child._process.pid, 9)
    assert works(naughty)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("cannot-start", r"it cannot be loaded: RuntimeError: no licence \(naughty.py, line \d+\)"),
        ("never-starts", "it did not start within 3 seconds"),
        ("halved", r"it has no solve\(\)"),
        ("boundless", "max_task_chars is not a whole number from 1 to 20000"),
        ("no-module", "AttributeError"),
        ("nobody", "No installed package offers the environment 'nobody'"),
    ],
)
def test_a_plugin_that_cannot_be_used_says_why(packages: Path, name: str, sentence: str) -> None:
    plugin = PluginEnvironment(name, start_seconds=3.0 if name == "never-starts" else 20.0)
    with pytest.raises(EnvironmentFault, match=sentence):
        _ = plugin.turn_limit
    plugin.close()


def test_faults_in_a_row_make_it_rest_longer_each_time(
    packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr("arena.plugins.environment.monotonic", lambda: clock[0])
    plugin = PluginEnvironment("nobody")
    rests = []
    for faults in (0, 1, 2, 20):
        plugin._host._faults = faults
        with pytest.raises(EnvironmentFault, match="No installed package"):
            _ = plugin.name
        rests.append(max(0.0, plugin._host._rests_until - clock[0]))
        if rests[-1]:
            with pytest.raises(EnvironmentFault, match="tried again in"):
                _ = plugin.name
        clock[0] += rests[-1]
    assert rests == [0, 1, 2, MAX_PAUSE_SECONDS]
    assert plugin._host._faults == 21


def test_two_packages_of_one_name_are_told_apart_by_nobody(
    packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, NAUGHTY, offers={"naughty": "Naughty"}, package="rival")
    monkeypatch.syspath_prepend(str(tmp_path))
    plugin = PluginEnvironment("naughty")
    with pytest.raises(EnvironmentFault, match=r"offered by naughty 1\.0 and rival 1\.0"):
        _ = plugin.name


def test_only_allowed_names_are_environments_and_none_is_started_to_find_out() -> None:
    registry = Registry()
    registry.add_family("plugin", family(["nobody"]))
    assert "plugin/nobody" in registry
    assert "plugin/nobody?level=1" not in registry, "a package's environment has no settings"
    assert "plugin/naughty" not in registry
    assert registry.get("plugin/naughty") is None
    assert "plugin/naughty" not in ENVIRONMENTS
    with pytest.raises(UnknownEnvironment, match=r"^There is no environment 'plugin/naughty'"):
        registry["plugin/naughty"]
    with pytest.raises(EnvironmentFault):
        registry["unheard"]
