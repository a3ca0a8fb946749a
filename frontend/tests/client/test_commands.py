"""The client and its command line, against the real site over HTTP."""

import ast
import json
import os
import re
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path
from random import Random
from typing import Any

import pytest
from rlfc import Arena, ArenaError
from rlfc.board import Board
from rlfc.terminal import console

from agents.models import Agent
from arena.matches import seating
from arena.models import Entry, Match
from arena.tests.builders import (
    enter,
    make_agent,
    make_base_model,
    make_match,
    make_space,
    make_user,
)
from frontend.tests.builders import play_to_the_end, settled_match
from frontend.tests.client.documents import blocks_of
from frontend.tests.client.terminals import Terminal
from frontend.tests.two_people import TwoPeople, make_two_people

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).parents[3]


def test_an_agent_is_written_pushed_and_changed(port: int, tmp_path: Path) -> None:
    make_base_model()
    user = make_user(credits=70)
    terminal = Terminal(port, user.pk, tmp_path)
    file = tmp_path / "ada.toml"
    text = blocks_of("client/README.md")[0].text
    file.write_text(text)
    assert "Ada is ready." in terminal.type("push", str(file))
    assert "Ada plays on with version 1." in terminal.type("push", str(file))
    file.write_text(text.replace("short line", "line").replace('"dpo"', '"grpo"'))
    would = terminal.type("push", str(file), "--dry-run")
    assert "prompt: Answer in one short line. -> Answer in one line." in would
    assert "learning.method: dpo -> grpo" in would
    assert "sampling" not in would
    assert "Version 2 of Ada plays from the next match on." in terminal.type("push", str(file))
    agent = Agent.objects.get(owner=user)
    assert agent.current_version is not None
    assert agent.current_version.prompt == "Answer in one line."
    assert agent.learning["method"] == "grpo"
    file.write_text('name = "Ada"\nis_training_enabled = false\n')
    assert "is_training_enabled: True -> False" in terminal.type("push", str(file))
    agent.refresh_from_db()
    assert not agent.is_training_enabled
    assert agent.learning["method"] == "grpo"
    assert agent.current_version.number == 2
    assert re.search(r"2 +plays +edited +1", terminal.type("versions", "Ada"))
    terminal.type("use", "Ada", "1")
    assert "version 1" in terminal.type("agent", "ada")
    assert "Nothing would change." in terminal.type("push", str(file), "--dry-run")
    assert re.search(r"Ada +1 +no +0", terminal.type("agents"))
    assert "70 credits available, 0 held" in terminal.type("wallet")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("name = ", "is not TOML"),
        ("\xff", "is not TOML"),
        ("name = 3", "name must be text."),
        ('name = "A"\nsampling = 1', "sampling must be a table."),
        ('prompt = "x"', "Give the agent a name."),
        ('name = "A"', "prompt: "),
        ('name = "A"\nspeed = 3', "There is no setting named speed"),
        ('name = "A"\nprompt = "x"\n[sampling]\ntemperature = 9', "sampling.temperature"),
    ],
)
def test_a_file_that_is_no_agent_is_refused_in_words(
    port: int, tmp_path: Path, text: str, sentence: str
) -> None:
    make_base_model()
    terminal = Terminal(port, make_user().pk, tmp_path)
    file = tmp_path / "agent.toml"
    file.write_bytes(text.encode("latin-1"))
    assert sentence in terminal.type("push", str(file), status=1)
    assert "cannot be read" in terminal.type("push", str(tmp_path / "none.toml"), status=1)
    assert not Agent.objects.exists()


def test_entering_waits_for_the_match_and_shows_it(port: int, tmp_path: Path) -> None:
    space = make_space()
    agent, rival = make_agent(make_user(credits=100)), make_agent(make_user(credits=100))
    terminal = Terminal(port, agent.owner_id, tmp_path)
    enter(rival, space)
    shown: list[str] = []
    typing = threading.Thread(
        target=lambda: shown.append(terminal.type("enter", agent.name, space.slug))
    )
    typing.start()
    match_ids: list[int] = []
    while not match_ids:
        assert typing.is_alive(), shown
        match_ids = seating.seat_matches(space.pk, rng=Random(1))
    play_to_the_end(Match.objects.get(id=match_ids[0]))
    typing.join(timeout=60)
    assert not typing.is_alive()
    assert "Round 1" in shown[0]
    assert "decided: " in shown[0]
    assert re.search(r"1 +\S.* +\d\.\d\d +\d+", shown[0])
    assert Entry.objects.get(agent=agent).match_id == match_ids[0]


def test_practising_starts_at_once_and_shows_the_match(port: int, tmp_path: Path) -> None:
    space, agent = make_space(), make_agent()
    make_agent(make_user(is_house=True))
    terminal = Terminal(port, agent.owner_id, tmp_path)
    practise = ("practise", agent.name, space.slug)
    key = "0b9c4f7e-2d61-4a7c-9f4b-0f3f2a1f5d11"
    said = terminal.type(*practise, "--key", key, "--no-follow")
    assert f"{agent.name} practises; 2 more today." in said
    match = Match.objects.get()
    assert f"Match {match.pk}" in said
    started = json.loads(terminal.type(*practise, "--key", key, "--json"))
    assert started == {"match_id": match.pk, "left_today": 2}
    assert "already waiting or playing" in terminal.type(*practise, status=1)
    play_to_the_end(match)
    shown = terminal.type(*practise, "--key", key)
    assert "Round 1" in shown
    assert re.search(r"1 +\S.* +\d\.\d\d +0", shown)


def test_a_match_that_is_over_is_shown_too(port: int, tmp_path: Path) -> None:
    match = settled_match()
    terminal = Terminal(port, make_user().pk, tmp_path)
    shown = terminal.type("watch", str(match.pk))
    assert f"/matches/{match.pk}/" in shown
    assert shown.count("decided: ") == match.space.round_count
    assert shown.count("An answer.") == 2 * match.space.round_count
    events = [
        json.loads(line)
        for line in terminal.type("watch", str(match.pk), "--json").split("\n")
        if line
    ]
    assert [event["seq"] for event in events] == list(range(1, match.seq + 1))
    assert "There is no such match." in terminal.type("watch", "999999", status=1)


def test_a_board_follows_its_match(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    match = settled_match()
    terminal = Terminal(port, make_user().pk, tmp_path)
    with Arena(terminal.url) as arena:
        snapshot = arena.match(match.pk)
        board = Board.of(snapshot)
        for event in arena.events(match.pk):
            board.take(event)
    assert board.now == "over"
    for seat in snapshot["seats"]:
        assert board.total(seat["index"]) == pytest.approx(seat["total"])
    # As in a window, where the board moves.
    terminal.env |= {"TTY_COMPATIBLE": "1", "TERM": "xterm"}
    monkeypatch.setattr(console, "is_interactive", True)
    shown = terminal.type("watch", str(match.pk))
    assert "round 1: the seats answer" in shown
    assert "round 2 is decided" in shown


def test_ctrl_c_ends_quietly(port: int, tmp_path: Path) -> None:
    match = make_match()
    terminal = Terminal(port, make_user().pk, tmp_path)
    watching = subprocess.Popen(
        [sys.executable, "-m", "rlfc.cli", "watch", str(match.pk)],
        env=os.environ | terminal.env | {"PYTHONPATH": str(ROOT / "client")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert watching.stdout is not None
    assert f"Match {match.pk}" in watching.stdout.readline()
    watching.send_signal(signal.SIGINT)
    said, _ = watching.communicate(timeout=60)
    assert (watching.returncode, said) == (130, "")


def test_pairs_arrive_whole(port: int, tmp_path: Path) -> None:
    people: TwoPeople = make_two_people()
    terminal = Terminal(port, people.owner_id, tmp_path)
    out = tmp_path / "pairs.jsonl"
    assert f"{out}: " in terminal.type("pairs", "Student", "--out", str(out)).replace("\n", "")
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(rows) == 8
    assert {"prompt", "chosen", "rejected"} <= rows[0].keys()
    assert [file.name for file in tmp_path.glob("*.part")] == []
    empty = terminal.type("pairs", "Student", "--groups", "--out", str(tmp_path / "g"), status=1)
    assert "There are no groups to download yet." in empty
    assert "You have no agent named Nobody." in terminal.type("pairs", "Nobody", status=1)


def test_training_is_requested_once_and_followed(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = make_two_people()
    terminal = Terminal(port, people.owner_id, tmp_path)
    slug = Arena(terminal.env["RLFC_URL"]).spaces()
    space = next(one["slug"] for one in slug if one["space_id"] == people.space_id)
    assert "is queued" in terminal.type("train", "Student", space, "--no-follow")
    again = terminal.type("train", "Student", space, status=1)
    assert "training" in again


def test_a_login_is_kept_for_its_owner_only(port: int, tmp_path: Path) -> None:
    terminal = Terminal(port, make_user().pk, tmp_path)
    del terminal.env["RLFC_URL"], terminal.env["RLFC_TOKEN"]
    assert "Which arena?" in terminal.type("wallet", status=1)
    terminal.type("login", "--url", terminal.url, piped=f"{terminal.token}\n")
    assert "credits available" in terminal.type("wallet")
    (kept,) = tmp_path.rglob("settings.json")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    terminal.env["RLFC_TOKEN"] = "rlfc_made-up"
    assert "not valid" in terminal.type("wallet", status=1)
    del terminal.env["RLFC_TOKEN"]
    terminal.type("logout")
    assert "Which arena?" in terminal.type("wallet", status=1)


def test_a_token_is_never_an_argument_and_goes_to_no_other_arena(port: int, tmp_path: Path) -> None:
    terminal = Terminal(port, make_user().pk, tmp_path)
    del terminal.env["RLFC_TOKEN"]
    login = ("login", "--url", terminal.url)
    assert "No such option" in terminal.type(*login, "--token", terminal.token, status=2)
    assert "not valid" in terminal.type(*login, piped="rlfc_made-up\n", status=1)
    assert "Give a token" in terminal.type(*login, piped="", status=1)
    assert not list(tmp_path.rglob("settings.json"))
    terminal.type(*login, piped=f"{terminal.token}\n")
    terminal.env["RLFC_URL"] = terminal.url.replace("127.0.0.1", "localhost")
    assert "This needs a token" in terminal.type("wallet", status=1)


def test_what_others_wrote_commands_no_terminal(port: int, tmp_path: Path) -> None:
    match = make_match()
    play_to_the_end(match, texts={0: "\x1b[2J[red]\u202eevil\x07", 1: "Fine."})
    terminal = Terminal(port, make_user().pk, tmp_path)
    shown = terminal.type("watch", str(match.pk))
    assert "\ufffd[2J[red]\ufffdevil\ufffd" in shown
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)
    assert "\x1b" not in terminal.type("watch", str(match.pk), "--json")


def test_what_is_no_arena_is_said_in_words(port: int) -> None:
    for url in (
        "http://127.0.0.1:9",
        f"http://127.0.0.1:{port}/how-it-works",
        "nonsense",
        "http://\x00",
    ):
        with pytest.raises(ArenaError) as refused, Arena(url) as arena:
            arena.spaces()
        assert str(refused.value).endswith(".")


def test_the_client_imports_nothing_of_the_arena() -> None:
    rooms = {"agents", "arena", "benchmarks", "django", "frontend", "judges", "training"}
    for file in (ROOT / "client/rlfc").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names: list[Any] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not rooms & {name.split(".")[0] for name in names}, file
