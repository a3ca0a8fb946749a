"""The navigation at the width of a phone, where not all of it is in sight."""

import pytest
from playwright.sync_api import expect
from pytest_django.live_server_helper import LiveServer

from frontend.tests.browser.accessibility import PHONE
from frontend.tests.browser.conftest import Watched

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.slow
def test_the_section_that_is_read_is_in_sight(live_server: LiveServer, watched: Watched) -> None:
    page = watched.page
    page.set_viewport_size(PHONE)
    for path, name in (("how-it-works", "How it works"), ("spaces", "Spaces")):
        page.goto(f"{live_server.url}/{path}/")
        link = page.get_by_role("navigation", name="Main").get_by_role("link", name=name)
        expect(link).to_have_attribute("aria-current", "page")
        expect(link).to_be_in_viewport(ratio=1)
    assert watched.problems == []
