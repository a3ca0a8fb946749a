"""What chaos looks for is found: a check that finds nothing proves nothing."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from django.utils import timezone

from arena.config.supervisor import leftovers
from arena.environments.base import Task
from arena.management.chaos import checks
from arena.management.chaos.browser import Browser, form_fields
from arena.management.chaos.processes import PARTS, SUPERVISOR, Processes
from arena.matches import play
from arena.models import Account, Completion, Match
from arena.tests.builders import enter, make_agent, make_match, make_space, make_user, play_round
from training.data.harvest import harvest_matches


def settled_match() -> Match:
    match = make_match()
    play.start_match(match.id)
    for number in (1, 2):
        play_round(match, number, scores={0: 1.0, 1: 0.0})
    play.settle_match(match.id)
    return Match.objects.get(id=match.id)


@pytest.mark.django_db(transaction=True)
def test_a_match_that_was_played_is_whole_and_over() -> None:
    since = timezone.now()
    settled_match()
    assert checks.unfinished() == [
        "settled matches have no pairs yet: " + str(Match.objects.get().pk)
    ]
    harvest_matches()
    assert checks.unfinished() == []
    assert checks.broken(since=since) == []


@pytest.mark.django_db(transaction=True)
def test_an_entry_that_waits_is_unfinished_and_so_is_its_hold() -> None:
    entry_id = enter(make_agent(make_user(credits=100)), make_space())
    assert checks.unfinished() == [
        f"entries wait or play: {entry_id}",
        f"holds are not resolved: {entry_id}",
    ]


@pytest.mark.django_db(transaction=True)
def test_an_answer_and_a_status_that_the_events_do_not_prove_are_found() -> None:
    since = timezone.now()
    match = settled_match()
    Completion.objects.filter(round__match=match, seat__index=0).update(text="Something else.")
    (problem,) = checks.broken(since=since)
    assert problem == f"match {match.pk}: its stored answers are not those of its events"
    Match.objects.update(status="cancelled", seq=3)
    assert len(checks.broken(since=since)) == 3


@pytest.mark.django_db(transaction=True)
def test_a_task_that_was_not_drawn_is_found() -> None:
    since = timezone.now()
    match = make_match()
    play.start_match(match.id)
    play.start_round(match.id, number=1, task=Task("chosen", "Say yes.", {}))
    play.cancel_match(match.id, reason="?")
    (problem,) = checks.broken(since=since)
    assert problem == f"match {match.pk}: the task of round 1 was not drawn"


@pytest.mark.django_db(transaction=True)
def test_credits_that_stay_in_a_space_are_found() -> None:
    settled_match()
    account = Account.objects.get(kind="escrow")
    Account.objects.filter(pk=account.pk).update(credits_posted=account.credits_posted + 5)
    problems = checks.broken(since=timezone.now())
    assert f"{account.key} keeps 5 credits" in problems
    assert any("its transfers add up to" in problem for problem in problems)


def test_a_killed_process_is_found_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    (tmp_path / "run" / "lock").write_text(str(child.pid))
    ticks = leftovers.started_ticks(child.pid)
    assert ticks is not None
    recorded = leftovers.Recorded("web", child.pid, ticks, sys.executable, signal.SIGTERM)
    leftovers.save(tmp_path / "run" / "processes.json", [recorded])
    processes = Processes(tmp_path)
    assert processes.of("web") == processes.of(SUPERVISOR) == [child.pid]
    assert processes.missing() == [part for part in PARTS if part != "web"]
    assert processes.kill("web")
    assert child.wait() == -signal.SIGKILL
    assert not processes.kill("web")
    assert processes.missing() == list(PARTS)


@pytest.fixture
def site() -> Iterator[tuple[str, list[bytes]]]:
    """Answers its first request with an error page, then what it was sent."""
    sent: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(500 if len(sent) == 1 else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", sent
        server.shutdown()


def test_a_form_that_was_not_answered_is_sent_again_as_it_was(
    site: tuple[str, list[bytes]],
) -> None:
    url, sent = site
    browser = Browser(url)
    assert browser.post("/enter/", {"id": "7"}).status_code == 200
    assert sent == [b"id=7", b"id=7"]
    assert (browser.requests, browser.broken, browser.faults) == (2, 1, ["POST /enter/"])
    browser.close()


def test_a_form_is_read_as_a_browser_fills_it_in() -> None:
    page = """<form><input name=id value=7><input type=checkbox name=off>
        <input type=checkbox name=on checked><textarea name=text>so
</textarea><select name=one><option value=a><option value=b selected></select></form>"""
    assert form_fields(page) == {"id": "7", "on": "on", "text": "so\n", "one": "b"}
