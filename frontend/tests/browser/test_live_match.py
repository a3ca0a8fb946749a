"""A live match as its page shows it: drawn by the server, streamed, and at rest when it is over."""

from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import expect

from arena.live import stream
from arena.matches import play
from arena.matches.runner import task_of
from arena.models import Match
from arena.tests.builders import decide, make_match, make_space, record
from frontend.tests.browser.accessibility import PHONE
from frontend.tests.browser.conftest import Watched
from frontend.tests.browser.test_history import in_thread
from frontend.tests.live.serving import serving

HIDDEN_MS = 31_000
ROUNDS = 12
HIDE = """(isHidden) => {
  Object.defineProperty(document, "hidden", {configurable: true, get: () => isHidden});
  document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.fixture
def match() -> Match:
    match = make_match()
    play.start_match(match.id)
    return match


@pytest.fixture
def session(match: Match) -> str:
    """Of somebody whose agent plays."""
    client = Client()
    client.force_login(match.seats.get(index=0).agent.owner)
    return client.cookies["sessionid"].value


def begin(match: Match, number: int) -> None:
    task = task_of(match.id, number)
    play.start_round(match.id, number=number, task=task)


def finish(match: Match, number: int) -> None:
    for seat in range(2):
        record(match, number, seat, f"Answer {seat} of round {number}.")
    decide(match, number, {0: 1.0, 1: 0.5})


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_page_follows_a_match_without_asking_and_rests_when_it_is_over(
    match: Match, session: str, watched: Watched
) -> None:
    page, requests, sockets = watched.page, list[str](), list[Any]()
    leader = in_thread(lambda: match.seats.get(index=0).agent.name)
    page.on("websocket", lambda socket: sockets.append(socket))
    with serving() as port:
        url = f"http://127.0.0.1:{port}"
        page.context.add_cookies([{"name": "sessionid", "value": session, "url": url}])
        page.goto(f"{url}/matches/{match.id}/")
        expect(page.locator("[data-connection-label]")).to_have_text("Connected")
        page.on("request", lambda request: requests.append(request.url.removeprefix(url)))
        in_thread(lambda: begin(match, 1))
        shown = page.locator("#match-round")
        expect(shown).to_have_attribute("data-round", "1")
        in_thread(
            lambda: stream.publish(
                stream.match_channel(match.id), stream.text_message(1, 0, 0, 0, "Being written")
            )
        )
        expect(page.locator('[data-seat="0"] [data-streaming]')).to_have_text("Being written")
        page.get_by_role("group", name="Answers of round 1").focus()
        in_thread(lambda: finish(match, 1))
        expect(shown).to_have_attribute("data-round-status", "decided")
        expect(page.get_by_role("group", name="Answers of round 1")).to_be_focused()
        expect(page.locator("[data-announcer]")).to_have_text(
            f"Round 1 is decided. {leader} leads."
        )
        expect(page.locator("#match-summary [data-for-owner]:visible")).to_have_text(["yours"])
        in_thread(lambda: begin(match, 2))
        expect(shown).to_have_attribute("data-round", "2")
        expect(page.locator('[data-round-tab="2"]')).to_have_attribute("aria-current", "true")
        assert [path for path in requests if "/matches/" in path] == []
        page.locator('[data-round-tab="1"]').click()
        expect(shown).to_contain_text("Answer 1 of round 1.")
        assert [path for path in requests if "/matches/" in path] == [], "the socket brings it"
        in_thread(lambda: finish(match, 2))
        page.locator("summary", has_text="How the tasks were drawn").click()
        page.get_by_role("link", name=leader, exact=True).focus()
        in_thread(lambda: play.settle_match(match.id))
        expect(page.get_by_role("heading", name="Result")).to_be_visible()
        expect(page.get_by_role("link", name=leader, exact=True)).to_be_focused()
        expect(page.get_by_role("link", name="Every event of this match")).to_be_visible()
        expect(page.get_by_role("link", name="Every movement in the ledger")).to_be_hidden()
        expect(page.locator("[data-announcer]")).to_have_text(
            f"The match is over. {leader} is first."
        )
        expect(page.get_by_role("link", name="Enter again")).to_be_visible()
        expect(page.locator("[data-connection-label]")).to_have_text("Finished")
        assert [path for path in requests if "/matches/" in path] == []
        assert len(sockets) == 1
        page.locator('[data-round-tab="2"]').click()
        expect(shown).to_contain_text("Answer 1 of round 2.")
        asked = [path for path in requests if "/matches/" in path]
        assert asked == [f"/matches/{match.id}/rounds/2/"], "no socket is open any more"
    assert watched.problems == []


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_hidden_page_keeps_no_connection_and_catches_up_when_it_is_shown(
    match: Match, watched: Watched
) -> None:
    page, sockets = watched.page, list[Any]()
    page.on("websocket", lambda socket: sockets.append(socket))
    page.clock.install()
    with serving() as port:
        page.goto(f"http://127.0.0.1:{port}/matches/{match.id}/")
        label = page.locator("[data-connection-label]")
        expect(label).to_have_text("Connected")
        page.evaluate(HIDE, True)
        page.clock.fast_forward(HIDDEN_MS)
        page.wait_for_timeout(0)
        in_thread(lambda: begin(match, 1))
        if not sockets[0].is_closed():
            sockets[0].wait_for_event("close")
        assert page.locator("#match-round").get_attribute("data-round") == "0"
        page.evaluate(HIDE, False)
        page.clock.fast_forward(1)
        expect(page.locator("#match-round")).to_have_attribute("data-round", "1")
        expect(label).to_have_text("Connected")
        assert len(sockets) == 2
        in_thread(lambda: play.cancel_match(match.id, reason="x"))
        expect(page.locator("[data-announcer]")).to_have_text("The match was cancelled.")


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_page_that_is_not_answered_asks_by_http_and_waits_as_long_as_the_server_says(
    match: Match, watched: Watched
) -> None:
    in_thread(lambda: begin(match, 1))
    in_thread(lambda: finish(match, 1))
    in_thread(lambda: begin(match, 2))
    page, asked = watched.page, list[str]()
    page.clock.install()
    page.add_init_script("WebSocket.prototype.send = () => {}")
    with serving() as port:
        page.goto(f"http://127.0.0.1:{port}/matches/{match.id}/")
        expect(page.locator("[data-connection-label]")).to_have_text("Connected")

        def refuse(route: Any) -> None:
            asked.append(route.request.url)
            route.fulfill(status=503, headers={"Retry-After": "20"})

        page.route("**/rounds/1/", refuse)
        with page.expect_response("**/rounds/1/"):
            page.locator('[data-round-tab="1"]').click()
            page.clock.run_for(2_000)
        page.clock.run_for(10_000)  # half of it, because the clock also runs by itself
        assert len(asked) == 1
        page.unroute("**/rounds/1/")
        page.clock.run_for(11_000)
        expect(page.locator("#match-round")).to_have_attribute("data-round", "1")


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_tab_of_the_round_that_is_read_is_in_sight(watched: Watched) -> None:
    def play_to_the_end() -> Match:
        match = make_match(make_space(round_count=ROUNDS))
        play.start_match(match.id)
        for number in range(1, ROUNDS + 1):
            begin(match, number)
            finish(match, number)
        play.settle_match(match.id)
        return match

    match = in_thread(play_to_the_end)
    page = watched.page
    page.set_viewport_size({**PHONE, "height": 2000})  # the tabs are below the result
    with serving() as port:
        page.goto(f"http://127.0.0.1:{port}/matches/{match.id}/?round={ROUNDS}")
        last, first = (page.locator(f'[data-round-tab="{number}"]') for number in (ROUNDS, 1))
        expect(last).to_have_attribute("aria-current", "true")
        expect(last).to_be_in_viewport(ratio=1)
        assert page.evaluate("window.scrollY") == 0
        first.click()
        expect(page.locator("#match-round")).to_have_attribute("data-round", "1")
        expect(first).to_be_in_viewport(ratio=1)
    assert watched.problems == []
