"""A person builds, previews and fetches a dataset by keyboard, and gives a program a token and takes it back."""

import tarfile
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from pytest_django.live_server_helper import LiveServer

from agents.models import Agent
from arena.models import Completion
from frontend.tests.api.calling import Program
from frontend.tests.browser.accessibility import problems_in_every_guise
from frontend.tests.browser.conftest import Watched
from frontend.tests.browser.test_history import in_thread
from training.exports.tests.orders import learner, written
from training.models import Export

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def agent(settings: Any, tmp_path: Path) -> Agent:
    settings.EXPORT_STORE = tmp_path / "exports"
    agent = learner(pairs=12)
    long = "שלום 🌈 a wide\u2028word" + "w" * 200
    Completion.objects.filter(seat__agent=agent).update(text=long)
    return agent


@pytest.fixture
def page(session: str, live_server: LiveServer, watched: Watched) -> Page:
    """Signed in as the agent's owner."""
    watched.page.context.add_cookies(
        [{"name": "sessionid", "value": session, "url": live_server.url}]
    )
    return watched.page


def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until it has the focus, as who has no mouse does."""
    for _ in range(80):
        if wanted.evaluate("one => one === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not lead to {wanted}")


@pytest.mark.slow
def test_a_dataset_is_built_previewed_and_fetched_by_keyboard(
    page: Page, live_server: LiveServer, watched: Watched, tmp_path: Path
) -> None:
    page.goto(f"{live_server.url}/exports/")
    expect(page.get_by_role("heading", name="10 of them")).to_be_visible()
    assert problems_in_every_guise(page) == []
    tab_to(page, page.get_by_label("Format"))
    page.keyboard.type("Unpaired")
    tab_to(page, page.get_by_label("Least margin"))
    page.keyboard.type("0.99")
    tab_to(page, page.get_by_label("Least agreement"))
    expect(page.get_by_text("No pair matches.")).to_be_visible()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Control+a")
    page.keyboard.type("0.5")
    tab_to(page, page.get_by_label("Least agreement"))
    expect(page.get_by_role("paragraph").filter(has_text="12 pairs")).to_be_visible()
    tab_to(page, page.get_by_role("button", name="Build the dataset"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Waiting")).to_be_visible()
    assert problems_in_every_guise(page) == []
    export = in_thread(Export.objects.get)
    assert (export.format, export.selection["least_margin"]) == ("unpaired", 0.5)
    in_thread(lambda: written(export))
    expect(page.get_by_role("heading", name="Ready")).to_be_visible()  # by itself
    assert problems_in_every_guise(page) == []
    tab_to(page, page.get_by_role("link", name="Download all files"))
    with page.expect_download() as fetched:
        page.keyboard.press("Enter")
    fetched.value.save_as(tmp_path / "fetched.tar")
    with tarfile.open(tmp_path / "fetched.tar") as archive:
        assert archive.getnames()[-1] == f"export-{export.pk}/manifest.json"
    page.goto(f"{live_server.url}/exports/")
    expect(page.get_by_role("link", name=f"Export {export.pk}")).to_be_visible()
    assert problems_in_every_guise(page) == []
    assert watched.problems == []


@pytest.mark.slow
def test_a_token_is_made_used_and_revoked_by_keyboard(
    page: Page, live_server: LiveServer, watched: Watched
) -> None:
    page.goto(f"{live_server.url}/account/tokens/")
    assert problems_in_every_guise(page) == []
    tab_to(page, page.get_by_role("textbox", name="Name"))
    page.keyboard.type("Night shift")
    tab_to(page, page.get_by_role("button", name="Make the token"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Your new token")).to_be_visible()
    assert problems_in_every_guise(page) == []
    token = page.locator("section[aria-labelledby=made-title] code").first.inner_text()
    program = Program.with_token(token)
    assert in_thread(lambda: program.get("/account")).status_code == 200
    tab_to(page, page.get_by_role("button", name="Revoke Night shift"))
    page.keyboard.press("Enter")
    expect(page.get_by_text("The token is revoked.")).to_be_visible()
    assert in_thread(lambda: program.get("/account")).status_code == 401
    assert problems_in_every_guise(page) == []
    assert watched.problems == []
