"""Voting blind with the keyboard, on a phone's width: pair, vote, names, next pair."""

import pytest
from playwright.sync_api import expect
from pytest_django.live_server_helper import LiveServer

from arena.matches import play
from arena.models import AudienceVote, Match
from arena.review.tests.builders import make_judge
from arena.tests.builders import make_match, make_space, play_round
from frontend.tests.browser.accessibility import PHONE, problems_in_every_guise
from frontend.tests.browser.conftest import Watched
from frontend.tests.browser.test_history import in_thread
from judges.models import JudgeKind

pytestmark = pytest.mark.django_db(transaction=True)

POEMS = {
    0: "The kettle hums, the window glows,\nand nobody but the kettle knows.",
    1: "Morning steam on cold glass.\nI draw a door and walk through.",
}


@pytest.fixture
def poems() -> Match:
    make_judge("reader", JudgeKind.PAIRWISE)
    space = make_space(name="Tiny poems", panel=[{"judge": "reader", "weight": 1.0}])
    for _ in range(2):
        match = make_match(space)
        play.start_match(match.pk)
        for number in (1, 2):
            play_round(match, number, scores={0: 0.8, 1: 0.3}, texts=POEMS, judge="reader")
        play.settle_match(match.pk)
    return match


@pytest.mark.slow
def test_two_pairs_are_voted_on_with_three_keys(
    poems: Match, live_server: LiveServer, watched: Watched
) -> None:
    page = watched.page
    page.set_viewport_size(PHONE)
    page.goto(f"{live_server.url}/vote/")
    expect(page.get_by_role("button", name="A is better")).to_be_in_viewport()
    assert problems_in_every_guise(page) == []
    page.set_viewport_size(PHONE)
    page.keyboard.press("1")
    expect(page.get_by_role("link", name="Next pair")).to_be_in_viewport()
    expect(page.get_by_role("heading", level=2)).to_have_count(2)
    assert problems_in_every_guise(page) == []
    page.set_viewport_size(PHONE)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Both are bad").wait_for()
    page.wait_for_load_state()  # the script listens to keys
    page.keyboard.press("4")
    expect(page.get_by_text("You found both bad.")).to_be_visible()
    cast = in_thread(lambda: list(AudienceVote.objects.order_by("created_at").values("choice")))
    assert [each["choice"] for each in cast] == ["a", "both_bad"]
    assert watched.problems == []
