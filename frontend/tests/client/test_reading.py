"""Whatever can be read is shown to people, and to programs with --json."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from rlfc.cli import app

from arena.models import Autopilot
from arena.states import AdoptionRule
from frontend.tests.client.terminals import Terminal
from frontend.tests.two_people import TwoPeople, make_two_people

pytestmark = pytest.mark.django_db(transaction=True)

# Each command that reads, with its arguments; names in braces are fields of TwoPeople.
READING = (
    "token",
    "wallet",
    "statement",
    "agents",
    "agent Secretive",
    "versions Secretive",
    "spaces",
    "space {slug}",
    "leaderboard",
    "entry {entry_id}",
    "matches",
    "watch {match_id}",
    "tournaments",
    "tournament {tournament_id}",
    "autopilot show Secretive",
    "judges",
    "judge reader",
    "runs Secretive",
    "run {run_id}",
)
DOING = {
    "login", "logout", "top-up", "push", "use", "rename", "retire", "enter", "practise", "leave", "train", "pairs",
    # Tried in test_adapters.py.
    "adapter download", "adapter upload",
    "register", "withdraw", "autopilot on", "autopilot off",
    # What exports show is tried in test_exports.py.
    "export formats", "export new", "export fetch", "export list", "export show", "export delete", "export check",
}  # fmt: skip


def commands_of(group: typer.core.TyperGroup, before: str = "") -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, typer.core.TyperGroup):
            yield from commands_of(command, f"{name} ")
        else:
            yield f"{before}{name}"


def test_every_command_is_known_to_read_or_to_do_something() -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    found = set(commands_of(group))
    reading = {name for name in found if any(f"{one} ".startswith(f"{name} ") for one in READING)}
    assert len(reading) == len(READING)
    assert found == reading | DOING


def test_whatever_can_be_read_is_shown_to_people_and_to_programs(port: int, tmp_path: Path) -> None:
    people = make_two_people()
    terminal = Terminal(port, people.owner_id, tmp_path)
    for line in READING:
        words = line.format(**vars(people)).split()
        assert terminal.type(*words).strip(), line
        told = terminal.type(*words, "--json")
        for each in told.splitlines():
            json.loads(each)
        assert told, line


def test_a_tournament_is_entered_and_left(port: int, tmp_path: Path) -> None:
    people: TwoPeople = make_two_people()
    terminal = Terminal(port, people.owner_id, tmp_path)
    tournament = str(people.open_tournament_id)
    assert "takes part" in terminal.type("register", "Student", tournament)
    assert "Student takes part" in terminal.type("tournament", tournament)
    assert "Student is withdrawn." in terminal.type("withdraw", tournament)
    assert "None of your agents takes part." in terminal.type("withdraw", tournament, status=1)


def test_an_autopilot_is_switched_off_and_on(port: int, tmp_path: Path) -> None:
    people = make_two_people()
    terminal = Terminal(port, people.owner_id, tmp_path)
    assert "It is off." in terminal.type("autopilot", "off", "Secretive")
    on = ("autopilot", "on", "Secretive", "--space", people.slug)
    assert "fee_credits" in terminal.type(*on, "--fee", "-1", status=1)
    assert "It is on." in terminal.type(*on, "--fee", "10", "--adoption", "wait_for")
    assert "It is on." in terminal.type(*on, "--fee", "20")
    rows = Autopilot.objects.filter(agent=people.agent_id).order_by("-id")
    assert (rows[0].fee_credits, rows[0].adoption) == (20, AdoptionRule.WAIT_FOR), "it is kept"
