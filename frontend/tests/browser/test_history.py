"""The browser's history: what Back leads to, and what a restored page sends."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from playwright.sync_api import expect
from pytest_django.live_server_helper import LiveServer

from arena.matches import play, seating
from arena.models import Entry, EntryStatus, Match
from arena.tests.builders import enter, make_agent, make_space, make_user, play_round
from frontend.tests.browser.conftest import Watched

pytestmark = pytest.mark.django_db(transaction=True)
# Counts what would be sent, and leaves the page as it is when its reader has stopped that.
STOP_SENDING = """() => {
  window.sendings = 0;
  window.addEventListener("submit", (event) => {
    if (!event.defaultPrevented) window.sendings += 1;
    event.preventDefault();
  });
}"""


def in_thread(call: Callable[[], Any]) -> Any:
    """Playwright keeps an event loop in this thread, where Django refuses database calls."""

    def run() -> Any:
        try:
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result()


def play_to_the_end(match_id: int) -> None:
    match = Match.objects.get(id=match_id)
    play.start_match(match.id)
    for number in range(1, match.round_count + 1):
        play_round(match, number, scores={0: 0.2, 1: 0.9})
    play.settle_match(match.id)


@pytest.fixture
def two_waiting() -> tuple[Any, str]:
    """A Space in which one person waits already, and the session of another."""
    space = make_space(house_fill_seconds=600)
    enter(make_agent(make_user(credits=100)), space)
    agent = make_agent(make_user(credits=100))
    client = Client()
    client.force_login(agent.owner)
    return space, client.cookies["sessionid"].value


@pytest.mark.slow
def test_back_leaves_the_match_and_enter_plays_another_one(
    two_waiting: tuple[Any, str], live_server: LiveServer, watched: Watched
) -> None:
    space, session = two_waiting
    page = watched.page
    page.context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
    at_space = f"{live_server.url}/spaces/{space.slug}/"
    page.goto(f"{live_server.url}/spaces/")
    page.goto(at_space)
    page.get_by_role("button", name="Enter for 10 credits").click()
    expect(page.get_by_role("heading", name="is waiting for a match")).to_be_visible()
    (match_id,) = in_thread(lambda: seating.seat_matches(space.id, rng=Random(1)))
    expect(page).to_have_url(f"{live_server.url}/matches/{match_id}/")
    in_thread(lambda: play_to_the_end(match_id))
    page.go_back()
    expect(page).to_have_url(at_space)
    page.get_by_role("button", name="Enter for 10 credits").click()
    expect(page.get_by_role("heading", name="is waiting for a match")).to_be_visible()
    live = in_thread(lambda: list(Entry.objects.filter(status=EntryStatus.QUEUED)))
    assert len(live) == 1, "a new entry, not the old match"
    page.go_back()
    page.go_back()
    expect(page).to_have_url(f"{live_server.url}/spaces/")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["Escape", "a change"])
def test_a_form_whose_sending_was_stopped_may_be_sent_again(
    how: str, two_waiting: tuple[Any, str], live_server: LiveServer, watched: Watched
) -> None:
    page, session = watched.page, two_waiting[1]
    page.context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
    page.goto(f"{live_server.url}/wallet/")
    page.evaluate(STOP_SENDING)
    button = page.get_by_role("button", name="Add credits")
    for _ in range(2):
        button.click()
    assert page.evaluate("window.sendings") == 1
    expect(button).to_have_attribute("aria-busy", "true")
    if how == "Escape":
        page.keyboard.press("Escape")
    else:
        page.get_by_role("spinbutton", name="Credits").fill("7")
    expect(button).not_to_have_attribute("aria-busy", "true")
    button.click()
    assert page.evaluate("window.sendings") == 2
