"""Webhooks on their pages and through the API."""

import re
import textwrap
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from django.core.cache import cache
from pytest_django import Settings

from agents.api_tokens import Scope
from arena.models import Delivery, Webhook
from arena.outbound.tests.web import Scripted
from arena.states import DeliveryStatus
from arena.tests.builders import make_user
from arena.webhooks.sending import send_due
from arena.webhooks.tests.builders import Receiver, allow, is_signed, make_delivery, make_hook
from frontend.pages.programs.webhooks import SHOWN
from frontend.tests.api.calling import Program, detail_of
from frontend.tests.builders import signed_in

pytestmark = pytest.mark.django_db(transaction=True)
HOOKS = "/account/webhooks/"
GUIDE = Path(__file__).parents[3] / "docs" / "webhooks.md"


@pytest.fixture
def receiver(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    cache.clear()
    monkeypatch.setattr("arena.nudges.current_app.send_task", lambda *args, **options: None)
    receiver = Receiver()
    allow(settings, receiver)
    yield receiver
    receiver.web.close()


def test_a_webhook_is_added_tried_and_deleted_on_its_pages(receiver: Receiver) -> None:
    browser = signed_in(make_user().pk)
    made = browser.post(HOOKS, {"url": receiver.url, "events": ["match.finished"]})
    assert (made.status_code, made["Cache-Control"]) == (200, "no-store")
    secret = re.search(r"<code>(whsec_[\w+/=]{44})</code>", made.content.decode())
    assert secret is not None
    assert secret[1] not in browser.get(HOOKS).content.decode()
    page = f"{HOOKS}{Webhook.objects.get().pk}/"
    browser.post(f"{page}ping/")
    assert "On its way." in browser.get(page).content.decode()
    send_due()
    ((headers, body),) = receiver.got
    assert is_signed(headers, body, secret[1])
    assert "Delivered, it answered 200." in browser.get(page).content.decode()
    rotated = browser.post(f"{page}secret/").content.decode()
    assert secret[1] not in rotated
    assert re.search(r"<code>whsec_", rotated)
    browser.post(f"{page}pause/")
    assert "Paused" in browser.get(page).content.decode()
    browser.post(f"{page}delete/")
    assert browser.get(page).status_code == 404
    assert "You have no webhooks." in browser.get(HOOKS).content.decode()


def test_the_page_with_a_new_secret_leads_on_and_rotates_only_once(receiver: Receiver) -> None:
    hook, _ = make_hook(receiver)
    browser, page = signed_in(hook.owner_id), f"{HOOKS}{hook.pk}/"
    for _ in range(SHOWN + 1):
        make_delivery(hook, event_id=uuid.uuid4())
    form = {"known": known_on(browser.get(page).content.decode())}
    rotated = browser.post(f"{page}secret/", form).content.decode()
    assert f'href="{page}?before=' in rotated
    assert browser.get(f"{page}secret/").headers["Location"] == page
    hook.refresh_from_db()
    sealed = hook.sealed_secret
    again = browser.post(f"{page}secret/", form, follow=True)
    assert again.redirect_chain == [(page, 302)]
    assert "The secret was rotated already" in again.content.decode()
    hook.refresh_from_db()
    assert hook.sealed_secret == sealed
    browser.post(f"{page}secret/", {"known": known_on(rotated)})
    hook.refresh_from_db()
    assert hook.sealed_secret != sealed


def known_on(page: str) -> str:
    found = re.search(r'name="known" value="([^"]*)"', page)
    assert found
    return found[1]


def test_what_was_given_up_is_sent_again_from_the_page(receiver: Receiver) -> None:
    hook, _ = make_hook(receiver)
    browser = signed_in(hook.owner_id)
    page = f"{HOOKS}{hook.pk}/"
    browser.post(f"{page}ping/")
    receiver.script = [Scripted(500)]
    send_due()
    assert "It answered 500. Next try from" in browser.get(page).content.decode()
    Delivery.objects.update(status=DeliveryStatus.DEAD)
    assert "Send all 1 that failed" in browser.get(page).content.decode()
    browser.post(f"{page}replay/")
    send_due()
    assert Delivery.objects.get().status == DeliveryStatus.DELIVERED
    browser.post(f"{page}deliveries/{Delivery.objects.get().pk}/replay/")
    send_due()
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    assert len(receiver.got) == 3


def test_the_form_says_why_an_address_is_refused() -> None:
    browser = signed_in(make_user().pk)
    for url, sentence in (
        ("https://127.0.0.1/", "network that is not public"),
        ("http://example.com/", "begin with https://"),
        ("https://x/" + "x" * 600, "at most 500 characters"),
        ("<script>", "begin with https://"),
    ):
        page = browser.post(HOOKS, {"url": url, "events": ["match.finished"]})
        assert page.status_code == 422
        assert sentence in page.content.decode()
        assert "<script>" not in page.content.decode().partition("<main")[2]


def test_a_webhook_that_the_site_paused_is_a_notice_on_the_agents_page(receiver: Receiver) -> None:
    hook, _ = make_hook(receiver)
    browser = signed_in(hook.owner_id)
    assert "The site paused" not in browser.get("/agents/").content.decode()
    Webhook.objects.update(paused_at=hook.created_at, pause_reason="It answered 410.")
    assert "The site paused" in browser.get("/agents/").content.decode()
    assert "It answered 410." in browser.get(HOOKS).content.decode()


def test_programs_do_the_same_with_a_token_for_webhooks(receiver: Receiver) -> None:
    user = make_user()
    assert Program(user.pk, [Scope.READ]).get("/webhooks").status_code == 403
    program = Program(user.pk, [Scope.WEBHOOKS])
    made = program.post("/webhooks", {"url": receiver.url, "events": ["match.finished"]})
    assert made.status_code == 201
    assert made.json()["secret"].startswith("whsec_")
    path = f"/webhooks/{made.json()['hook_id']}"
    assert program.post(f"{path}/ping").status_code == 200
    again = program.post(f"{path}/ping")
    assert (again.status_code, detail_of(again)) == (
        409,
        "The last ping still waits for an answer.",
    )
    send_due()
    (line,) = program.get(f"{path}/deliveries").json()["items"]
    assert (line["kind"], line["status"], line["last_status"]) == ("ping", "delivered", 200)
    replayed = program.post(f"{path}/deliveries/{line['delivery_id']}/replay")
    assert replayed.json() == {"count": 1}
    assert program.post(f"{path}/pause").json()["is_paused"]
    assert not program.post(f"{path}/resume").json()["is_paused"]
    assert program.send("DELETE", path).status_code == 204
    assert program.get("/webhooks").json() == []
    inside = program.post("/webhooks", {"url": "https://10.0.0.1/", "events": ["ping"]})
    assert inside.status_code == 409


def test_the_documented_receiver_takes_what_is_ours_and_nothing_else(receiver: Receiver) -> None:
    found = re.search(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert found is not None
    example = ModuleType("example")
    exec(textwrap.dedent(found[1]), example.__dict__)
    hook, secret = make_hook(receiver)
    signed_in(hook.owner_id).post(f"{HOOKS}{hook.pk}/ping/")
    send_due()
    ((headers, body),) = receiver.got
    names = {name.lower(): value for name, value in headers.items()}
    assert example.verified(secret, names, body)["type"] == "ping"
    for secret_, headers_, body_ in (
        ("whsec_bm90aGluZw==", names, body),
        (secret, names | {"webhook-timestamp": "1614265330"}, body),
        (secret, names | {"webhook-signature": "v1,AAAA v2"}, body),
        (secret, names | {"webhook-id": "other"}, body),
        (secret, names, body + b" "),
    ):
        with pytest.raises(ValueError, match="webhook"):
            example.verified(secret_, headers_, body_)
