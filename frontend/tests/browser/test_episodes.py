"""Episodes in the browser: drawn move by move as they are played, and stepped through afterwards."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from arena.environments import ENVIRONMENTS
from arena.environments.base import Position, TextView
from arena.environments.tests.small_games import Count
from arena.live import stream
from arena.matches import play
from arena.models import Match
from arena.tests.builders import decide, make_match, make_space
from frontend.tests.browser.accessibility import DESKTOP, problems_in_every_guise
from frontend.tests.browser.conftest import Watched
from frontend.tests.browser.test_history import in_thread
from frontend.tests.live.episodes import PlayedEpisode
from frontend.tests.live.serving import serving

pytestmark = pytest.mark.django_db(transaction=True)
NARROW = {"width": 360, "height": 740}
RAMBLE = "I put my mark on the square that is taken."


class Speeches(Count):
    """As Count, but spectators see words, and anything may be said."""

    slug, name = "speeches", "Speeches"

    def act(self, position: Position, seat: int, text: str) -> Position:
        return self._on(position, 1)

    def view(self, position: Position) -> TextView:  # type: ignore[override]
        return TextView("This house would let machines write the tests.")


def started(environment: str) -> Match:
    match = make_match(make_space(environment=environment, round_count=1))
    play.start_match(match.id)
    return match


def finished(environment: str) -> int:
    """An illegal try, and then a game by code to its end; its match's id."""
    match = started(environment)
    episode = PlayedEpisode(match, 1)
    if environment != "speeches":
        episode.say(RAMBLE)
    episode.solve()
    decide(match, 1, {0: 1.0, 1: 0.0})
    play.settle_match(match.id)
    return match.id


@pytest.fixture
def live_match() -> Match:
    return started("tictactoe")


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    for game in (Count(), Speeches()):
        monkeypatch.setitem(ENVIRONMENTS._known, game.slug, game)
    return {slug: finished(slug) for slug in ("tictactoe", "count", "speeches")}


def board_of(page: Page) -> str:
    return page.locator("[data-stage] svg").get_attribute("aria-label") or ""


def frame(match: Match, seat: int, turn: int, text: str) -> None:
    lines = [stream.reset_message(1, seat, turn), stream.text_message(1, seat, turn, 0, text)]
    in_thread(lambda: stream.publish(stream.match_channel(match.id), "\n".join(lines)))


@pytest.mark.slow
def test_a_live_episode_is_drawn_move_by_move_without_asking(
    live_match: Match, watched: Watched
) -> None:
    page, requests = watched.page, list[str]()
    with serving() as port:
        page.goto(f"http://127.0.0.1:{port}/matches/{live_match.id}/")
        expect(page.locator("[data-connection-label]")).to_have_text("Connected")
        page.on("request", lambda request: requests.append(request.url))
        episode = in_thread(lambda: PlayedEpisode(live_match, 1))
        expect(page.locator("[data-stage] svg")).to_be_visible()
        moves, first, second = (
            page.locator("[data-move]"),
            page.locator('[data-seat="0"]'),
            page.locator('[data-seat="1"]'),
        )
        frame(live_match, 0, 0, "thinking of five")
        expect(first.locator("[data-streaming]")).to_have_text("thinking of five")
        expect(first.locator("[data-to-move]")).to_be_visible()
        expect(second.locator("[data-to-move]")).to_be_hidden()
        opening = board_of(page)
        in_thread(lambda: episode.say(RAMBLE))
        expect(moves).to_have_count(1)
        expect(moves.locator("s")).to_have_text(RAMBLE)
        expect(moves).to_contain_text("Not legal:")
        assert board_of(page) == opening
        # The old turn's last words come late, and the next turn's first.
        frame(live_match, 0, 0, "thinking of five, late")
        frame(live_match, 0, 1, "once more")
        expect(first.locator("[data-streaming]")).to_have_text("once more")
        legal = episode.episode.moves(0)[0]
        in_thread(lambda: episode.say(legal))
        expect(moves).to_have_count(2)
        expect(first.locator("[data-to-move]")).to_be_hidden()
        assert board_of(page).startswith(f"X on {legal}: ")
        expect(page.locator("[data-announcer]")).to_contain_text(f": {legal}")
        # Who looks back is left there, and nothing that was drawn is drawn again.
        page.locator('[data-step="first"]').click()
        marked = moves.first.evaluate_handle("move => { move.marked = true; return move; }")
        reply = episode.episode.moves(1)[0]
        in_thread(lambda: episode.say(reply))
        expect(moves).to_have_count(3)
        assert board_of(page) == opening
        assert marked.evaluate("move => move.isConnected && move.marked")
        assert page.evaluate("document.activeElement.dataset.step") == "first"
        in_thread(episode.solve)
        in_thread(lambda: decide(live_match, 1, {0: 1.0, 1: 0.0}))
        in_thread(lambda: play.settle_match(live_match.id))
        expect(page.get_by_role("heading", name="Result")).to_be_visible()
        expect(moves).to_have_count(len(episode.turns))
        assert [url for url in requests if "/matches/" in url and "/ws/" not in url] == []
    assert watched.problems == []


@pytest.mark.slow
def test_what_is_played_again_stays_on_the_page_when_the_next_move_comes(
    live_match: Match, watched: Watched
) -> None:
    page, episode = watched.page, in_thread(lambda: PlayedEpisode(live_match, 1))
    in_thread(lambda: episode.say(RAMBLE))
    in_thread(lambda: episode.say(episode.episode.moves(0)[0]))
    with serving() as port:
        page.goto(f"http://127.0.0.1:{port}/matches/{live_match.id}/")
        expect(page.locator("[data-connection-label]")).to_have_text("Connected")
        label, button = page.locator("[data-step-label]"), page.locator('[data-step="play"]')
        expect(label).to_have_text("2 of 2")
        page.evaluate("performance.now = () => 0")  # its first move takes for ever
        button.click()
        expect(label).to_have_text("0 of 2")
        expect(button).to_have_attribute("aria-pressed", "true")
        opening = board_of(page)
        in_thread(lambda: episode.say(episode.episode.moves(1)[0]))
        expect(label).to_have_text("0 of 3")
        expect(button).to_have_attribute("aria-pressed", "false")
        expect(page.locator("[data-stage] svg")).to_be_visible()
        assert board_of(page) == opening
        page.locator('[data-step="last"]').click()
        expect(label).to_have_text("3 of 3")
    assert watched.problems == []


@pytest.mark.slow
def test_a_finished_episode_is_stepped_through(
    ended: dict[str, int], live_server: LiveServer, watched: Watched
) -> None:
    page, url = watched.page, f"{live_server.url}/matches/{ended['tictactoe']}/"
    page.goto(url)
    count = page.locator("[data-move]").count()
    final, label = board_of(page), page.locator("[data-step-label]")
    expect(label).to_have_text(f"{count} of {count}")
    page.locator('[data-step="first"]').click()
    expect(label).to_have_text(f"0 of {count}")
    opening = board_of(page)
    page.keyboard.press("ArrowRight")
    expect(label).to_have_text(f"1 of {count}")
    assert board_of(page) == opening, "an illegal try moves nothing"
    expect(page.locator("[data-now] s")).to_have_text(RAMBLE)
    page.locator('[data-step="next"]').click()
    assert board_of(page).startswith("X on ")
    assert page.url == f"{url}#move-2"
    page.keyboard.press("ArrowLeft")
    expect(label).to_have_text(f"1 of {count}")
    page.locator("[data-slider]").fill("3")
    expect(label).to_have_text(f"3 of {count}")
    assert board_of(page).startswith("O on ")
    page.locator('[data-step="last"]').click()
    assert (board_of(page), page.url) == (final, url)
    page.locator("#move-2 a").click()
    expect(label).to_have_text(f"2 of {count}")
    expect(page.locator("#move-2")).to_have_attribute("aria-current", "step")
    page.goto("about:blank")
    page.goto(f"{url}#move-3")
    expect(label).to_have_text(f"3 of {count}")
    # So that move 5 does not come before the click on "previous".
    page.locator('[data-move="5"]').evaluate("move => { move.dataset.seconds = '600'; }")
    page.locator('[data-step="play"]').click()
    expect(page.locator('[data-step="play"]')).to_have_attribute("aria-pressed", "true")
    expect(label).to_have_text(f"4 of {count}")
    page.locator('[data-step="previous"]').click()
    expect(page.locator('[data-step="play"]')).to_have_attribute("aria-pressed", "false")
    expect(label).to_have_text(f"3 of {count}")
    assert watched.problems == []


@pytest.mark.slow
def test_boards_tables_and_words_fit_every_guise_and_the_narrowest_phone(
    ended: dict[str, int], live_server: LiveServer, watched: Watched
) -> None:
    page = watched.page
    found: list[str] = []
    for slug, match_id in ended.items():
        page.goto(f"{live_server.url}/matches/{match_id}/#move-2")
        expect(page.locator("[data-steps]")).to_be_visible()
        found += problems_in_every_guise(page)
        page.set_viewport_size(NARROW)  # type: ignore[arg-type]
        width = page.evaluate("document.documentElement.scrollWidth")
        found += [f"{slug} is {width} wide"] if width > NARROW["width"] else []
        page.set_viewport_size(DESKTOP)
    assert found == []
    assert watched.problems == []


@pytest.mark.slow
def test_without_scripts_there_are_the_final_board_and_every_move_with_its_own(
    ended: dict[str, int], live_server: LiveServer, browser: Any
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{live_server.url}/matches/{ended['tictactoe']}/")
    expect(page.locator("[data-stage] svg")).to_be_visible()
    expect(page.locator("[data-steps]")).to_be_hidden()
    legal = page.locator("[data-move]:not([data-illegal])")
    expect(legal.locator("svg.board")).to_have_count(legal.count())
    expect(page.locator("[data-illegal] s")).to_have_text(RAMBLE)
    context.close()
