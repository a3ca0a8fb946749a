"""An owner uploads an adapter by keyboard: a refusal beside the form, then the gate's live page."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from pytest_django.live_server_helper import LiveServer

from agents.models import Agent
from frontend.tests.browser.accessibility import problems_in_every_guise
from frontend.tests.browser.conftest import Watched
from frontend.tests.browser.test_history import in_thread
from training.adapters.tests.builders import sent, small_base, some_tensors, stored_version
from training.runs.claiming import claim_next
from training.runs.lease import move_run
from training.states import RunEvent
from training.tests.builders import make_agent, make_base, make_space

pytestmark = pytest.mark.django_db(transaction=True)
# A connection that says nothing is never found to be dead, and what a page does again and again
# comes soon.
HASTE = """
const wait = window.setTimeout, repeat = window.setInterval;
window.setTimeout = (call, ms) => ms < 30_000 || !ms ? wait(call, ms) : 0;
window.setInterval = (call, ms) => repeat(call, ms / 10);
"""


@pytest.fixture
def base_folder(settings: Any, tmp_path: Path) -> Path:
    settings.ADAPTER_STORE, settings.RUN_STORE = tmp_path / "store", tmp_path / "runs"
    return small_base(tmp_path / "base")


@pytest.fixture
def agent(base_folder: Path, tmp_path: Path) -> Agent:
    make_base(str(base_folder))
    agent = make_agent()
    make_space()
    stored_version(agent, base_folder, tmp_path)
    return agent


def begin_the_gate() -> None:
    lease = claim_next()
    assert lease is not None
    move_run(lease, RunEvent.TRAINED)


@pytest.mark.slow
def test_an_adapter_is_uploaded_by_keyboard_and_judged_on_its_own_page(
    agent: Agent,
    base_folder: Path,
    session: str,
    live_server: LiveServer,
    watched: Watched,
    tmp_path: Path,
) -> None:
    page = watched.page
    page.context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
    page.goto(f"{live_server.url}/agents/{agent.pk}/")
    expect(page.get_by_role("link", name="Download the adapter of version 2")).to_be_visible()
    assert problems_in_every_guise(page) == []
    page.get_by_role("link", name="Upload an adapter").last.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Upload an adapter")).to_be_visible()
    assert problems_in_every_guise(page) == []

    def send(**config: Any) -> None:
        paths = []
        for one in sent(some_tensors(base_folder, seed=4), **config):
            paths.append(tmp_path / one.name)
            paths[-1].write_bytes(one.file.read())
        page.get_by_label("Files").set_input_files(paths)
        page.get_by_role("button", name="Upload").focus()
        page.keyboard.press("Enter")

    send(modules_to_save=["lm_head"])
    expect(page.get_by_role("alert")).to_contain_text("modules_to_save is not supported")
    assert problems_in_every_guise(page) == []
    page.add_init_script(HASTE)
    page.route_web_socket("**/ws/runs/*/", lambda socket: None)  # every message is lost
    send()
    expect(page.get_by_role("heading", name="Waiting for the gate")).to_be_visible()
    expect(page.locator("#run-costs")).to_contain_text("3 come back")
    expect(page.locator("[data-connection-label]")).to_have_text("Connected")
    assert problems_in_every_guise(page) == []
    in_thread(begin_the_gate)
    expect(page.get_by_role("heading", name="At the gate")).to_be_visible()
    expect(page.locator("#run-costs")).to_contain_text("nothing comes back")
    expect(page.get_by_role("button", name="Pause")).to_be_hidden()
