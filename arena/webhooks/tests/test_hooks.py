"""Adding webhooks, what is refused, and what their owners may do with them."""

import json
import uuid
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db import transaction
from pydantic import SecretStr

from agents.errors import NotAvailable, Refused
from arena.models import Delivery, Webhook
from arena.states import DeliveryStatus, HookEvent
from arena.tests.builders import make_user
from arena.webhooks import hooks, outbox, records
from arena.webhooks.hooks import MAX_HOOKS_OF_USER, add_webhook
from arena.webhooks.outbox import MAX_WAITING
from arena.webhooks.tests.builders import Receiver, make_delivery, make_hook
from judges.endpoints.keys import opened

pytestmark = pytest.mark.django_db(transaction=True)
EVENTS = [HookEvent.MATCH_FINISHED]


@pytest.fixture(autouse=True)
def no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    cache.clear()
    monkeypatch.setattr("arena.nudges.current_app.send_task", lambda *args, **options: None)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "https://"),
        ("http://example.com/", "https://"),
        ("ftp://example.com/", "https://"),
        ("https://", "not an address"),
        ("https://user:pw@example.com/", "a user name or a password"),
        ("https://127.0.0.1/", "not public"),
        ("https://169.254.169.254/latest/", "not public"),
        ("https://[::1]/", "not public"),
        ("https://0x7f.1/", "not public"),
        ("https://example.com/" + "x" * 3_000_000, "at most 500 characters"),
        ("https://exa\x00mple.com/", "not an address"),
        ("https://[", "https://"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_in_words(url: str, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        add_webhook(make_user().pk, url=url, events=EVENTS)
    assert not Webhook.objects.exists()


def test_a_person_has_at_most_so_many_webhooks(receiver: Receiver) -> None:
    owner = make_user()
    first, _ = make_hook(receiver, owner)
    for _ in range(MAX_HOOKS_OF_USER - 1):
        make_hook(receiver, owner)
    with pytest.raises(Refused, match="the most"):
        make_hook(receiver, owner)
    hooks.delete_webhook(owner.pk, hook_id=first.pk)
    make_hook(receiver, owner)


def test_a_webhook_of_no_event_is_refused(receiver: Receiver) -> None:
    with pytest.raises(Refused, match="at least one"):
        add_webhook(make_user().pk, url=receiver.url, events=[])


def test_the_secret_is_stored_so_that_a_backup_does_not_tell_it(receiver: Receiver) -> None:
    hook, secret = make_hook(receiver)
    assert secret.startswith("whsec_")
    assert secret not in hook.sealed_secret
    assert opened(hook.sealed_secret) == secret


def test_secrets_of_webhooks_are_sealed_anew_with_the_keys(
    receiver: Receiver, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook, secret = make_hook(receiver)
    hooks.rotate_secret(hook.owner_id, hook_id=hook.pk)
    keys = [SecretStr("new"), SecretStr(settings.SECRET_KEY)]
    monkeypatch.setattr(settings.ENV, "encryption_keys", keys)
    call_command("reseal_keys")
    monkeypatch.setattr(settings.ENV, "encryption_keys", keys[:1])
    hook.refresh_from_db()
    assert opened(hook.sealed_old_secret) == secret
    assert opened(hook.sealed_secret)


def test_a_deleted_webhook_leaves_neither_address_nor_secret_nor_log(receiver: Receiver) -> None:
    hook, _ = make_hook(receiver)
    make_delivery(hook, event_id=uuid.uuid4())
    hooks.delete_webhook(hook.owner_id, hook_id=hook.pk)
    hook.refresh_from_db()
    assert (hook.url, hook.sealed_secret, hook.sealed_old_secret) == ("", "", "")
    assert not Delivery.objects.exists()
    with pytest.raises(NotAvailable):
        hooks.ping_webhook(hook.owner_id, hook_id=hook.pk)


def test_pings_come_one_at_a_time(receiver: Receiver) -> None:
    hook, _ = make_hook(receiver)
    hooks.ping_webhook(hook.owner_id, hook_id=hook.pk)
    with pytest.raises(Refused, match="still waits"):
        hooks.ping_webhook(hook.owner_id, hook_id=hook.pk)
    Delivery.objects.update(status=DeliveryStatus.DELIVERED)
    with pytest.raises(Refused, match="ten seconds"):
        hooks.ping_webhook(hook.owner_id, hook_id=hook.pk)
    hooks.pause_webhook(hook.owner_id, hook_id=hook.pk)
    with pytest.raises(Refused, match="paused"):
        hooks.ping_webhook(hook.owner_id, hook_id=hook.pk)
    body = json.loads(Delivery.objects.get().body)
    assert body["type"] == "ping"
    assert body["data"] == {"webhook_id": hook.pk}


def test_a_webhook_that_falls_too_far_behind_is_paused(receiver: Receiver) -> None:
    hook, _ = make_hook(receiver)
    rows = [Delivery(webhook=hook, event_id=uuid.uuid4(), kind="ping") for _ in range(MAX_WAITING)]
    Delivery.objects.bulk_create([*rows, Delivery(webhook=hook, event_id=uuid.uuid4(), kind="x")])
    _tell(hook)
    hook.refresh_from_db()
    assert "More than 1,000" in hook.pause_reason
    assert records.stopped_webhooks(hook.owner_id) == 1
    assert Delivery.objects.count() == MAX_WAITING + 1


def test_what_was_given_up_is_sent_again_under_its_own_id(receiver: Receiver) -> None:
    hook, _ = make_hook(receiver)
    first, second = (make_delivery(hook, event_id=uuid.uuid4()) for _ in range(2))
    Delivery.objects.update(status=DeliveryStatus.DEAD, attempts=9)
    records.replay_delivery(hook.owner_id, hook_id=hook.pk, delivery_id=second.pk)
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.status, second.status, second.attempts) == ("dead", "waiting", 0)
    assert records.replay_failed(hook.owner_id, hook_id=hook.pk) == 1
    assert records.replay_failed(hook.owner_id, hook_id=hook.pk) == 0
    (line,) = records.webhooks_of(hook.owner_id)
    assert (line.waiting, line.dead) == (2, 0)


def test_the_same_event_told_twice_is_stored_once(receiver: Receiver) -> None:
    hook, _ = make_hook(receiver)
    for _ in range(2):
        _tell(hook)
    assert Delivery.objects.count() == 1


def test_a_paused_webhook_is_told_nothing(receiver: Receiver) -> None:
    hook, _ = make_hook(receiver)
    hooks.pause_webhook(hook.owner_id, hook_id=hook.pk)
    _tell(hook)
    assert not Delivery.objects.exists()
    hooks.resume_webhook(hook.owner_id, hook_id=hook.pk)
    _tell(hook)
    assert Delivery.objects.count() == 1


def _tell(hook: Webhook) -> None:
    with transaction.atomic():
        outbox.tell([hook.owner_id], HookEvent.RUN_DECIDED, key="1", data=lambda owner_id: {})
