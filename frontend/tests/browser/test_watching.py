"""What operators and owners of webhooks look at, in a real browser and in every guise."""

from typing import Any

import pytest
from django.test import Client

from agents.models import User
from arena.models import Delivery, Webhook
from arena.states import HookEvent
from arena.tests.builders import enter, make_agent, make_space, make_user
from frontend.tests.browser.accessibility import problems_in_every_guise
from frontend.tests.browser.conftest import Watched
from frontend.tests.two_people import make_two_people
from training.monitoring.collecting import forget

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture
def pages() -> tuple[str, list[str]]:
    """The session of somebody of the staff who has webhooks, and the pages."""
    people = make_two_people()
    for _ in range(3):
        enter(make_agent(make_user(credits=50)), make_space())
    User.objects.filter(id=people.owner_id).update(is_staff=True)
    hook = Webhook.objects.get(id=people.hook_id)
    for status, attempts in (("delivered", 1), ("waiting", 2), ("waiting", 0)):
        Delivery.objects.create(
            webhook=hook,
            event_id=f"{attempts}" * 32,
            kind=HookEvent.RUN_DECIDED,
            body='{"type": "run.decided", "data": {"run_id": 12, "status": "adopted"}}',
            status=status,
            attempts=attempts,
            last_status=200 if status == "delivered" else None,
            last_problem="" if status == "delivered" else "It answered 503.",
        )
    forget()
    client = Client()
    client.force_login(User.objects.get(id=people.owner_id))
    paths = ["/site/", "/account/webhooks/", f"/account/webhooks/{hook.pk}/"]
    return client.cookies["sessionid"].value, paths


def test_they_read_well_in_every_guise(pages: Any, live_server: Any, watched: Watched) -> None:
    session, paths = pages
    page = watched.page
    page.context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
    for path in paths:
        page.goto(live_server.url + path)
        assert problems_in_every_guise(page) == [], path
    assert watched.problems == []
