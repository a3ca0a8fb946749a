"""Two versions answer beside each other, by keyboard; one is stopped; what it costs is told before and after."""

from collections.abc import Iterator

import pytest
from django.conf import settings
from playwright.sync_api import expect

from agents.models import Agent, AgentVersion, VersionOrigin
from arena.talks.tests.model_server import ModelServer, model_serving
from arena.tests.builders import SAMPLING, make_agent, make_user
from frontend.tests.browser.accessibility import PHONE, problems_in_every_guise
from frontend.tests.browser.conftest import Watched
from frontend.tests.live.serving import serving

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelServer]:
    monkeypatch.setattr(settings.ENV, "training_price", 1)
    with model_serving(monkeypatch) as server:
        yield server


@pytest.fixture
def agent() -> Agent:
    agent = make_agent(make_user(credits=10))
    AgentVersion.objects.create(
        agent=agent,
        number=2,
        parent=agent.current_version,
        prompt="Sing.",
        sampling=SAMPLING,
        origin=VersionOrigin.EDITED,
    )
    return agent


@pytest.mark.slow
def test_two_versions_answer_beside_each_other(
    agent: Agent, session: str, model: ModelServer, watched: Watched
) -> None:
    page = watched.page
    with serving() as port:
        url = f"http://127.0.0.1:{port}"
        page.context.add_cookies([{"name": "sessionid", "value": session, "url": url}])
        page.goto(f"{url}/agents/{agent.pk}/")
        page.get_by_role("link", name="Talk to version 2 beside version 1").focus()
        page.keyboard.press("Enter")
        first, second = (page.get_by_role("log").nth(place) for place in (0, 1))
        expect(page.get_by_role("combobox", name="First version")).to_have_value(
            f"agent-{agent.pk}.v2"
        )
        expect(page.get_by_text("costs at most 2 credits")).to_be_visible()
        model.hold_after = 2
        page.get_by_label("Your message").focus()
        page.keyboard.type("Say cats.")
        page.keyboard.press("Enter")
        for log in (first, second):
            expect(log).to_contain_text("Cats purr")
        model.go_on.set()
        for log in (first, second):
            expect(log).to_contain_text(model.text)
        expect(first).to_contain_text(", v2: 10 tokens in")
        expect(page.get_by_text("51,180 tokens paid for, 8 credits left.")).to_be_visible()
        expect(page.get_by_role("link", name="Wallet, 8 credits available")).to_have_text(
            "8 credits"
        )
        assert {one["messages"][0]["content"] for one in model.asked} == {"Sing.", "Answer."}
        assert problems_in_every_guise(page) == []

        page.set_viewport_size(PHONE)
        model.go_on.clear()
        page.get_by_role("combobox", name="Second version").select_option("no one")
        page.get_by_label("Your message").fill("And again?")
        page.get_by_role("button", name="Send").click()
        expect(first).to_contain_text("And again?Cats purr")
        expect(first.locator("[aria-busy=true]")).to_be_in_viewport()
        page.get_by_role("button", name="Stop").click()
        assert model.was_left.wait(timeout=30)
        expect(first).to_contain_text("stopped after")
        expect(page.get_by_text("51,166 tokens paid for")).to_be_visible()
        assert [one["role"] for one in model.asked[-1]["messages"]] == [
            "system",
            "user",
            "assistant",
            "user",
        ]

        model.was_left.clear()
        page.get_by_label("Your message").fill("And cats?")
        page.get_by_role("button", name="Send").click()
        expect(first).to_contain_text("And cats?Cats purr")
        page.get_by_role("button", name="Start over").click()
        assert model.was_left.wait(timeout=30)
        expect(page.get_by_role("button", name="Send")).to_be_enabled()
        expect(first).to_be_empty()
        model.hold_after = None
        page.get_by_label("Your message").fill("Anew.")
        page.get_by_role("button", name="Send").click()
        expect(first).to_contain_text(model.text)
        assert [one["content"] for one in model.asked[-1]["messages"]] == ["Sing.", "Anew."]
        expect(page.get_by_role("button", name="Send")).to_be_enabled()

        model.status = 503
        page.get_by_label("Your message").press("a")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_have_text(
            "No model answers now. Nothing is charged; try again in a little while."
        )
        expect(page.get_by_label("Your message")).to_be_focused()
        expect(page.get_by_label("Your message")).to_have_value("a")  # to be sent again
        assert problems_in_every_guise(page) == []
        page.get_by_role("button", name="Start over").click()
        expect(first).to_be_empty()
        assert watched.problems == []

        # In another tab, somebody signs in again.
        page.context.add_cookies([{"name": "csrftoken", "value": "a" * 32, "url": url}])
        page.get_by_label("Your message").press("a")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("because you signed in again. Reload it.")
