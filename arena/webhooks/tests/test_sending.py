"""What is due is sent, signed and in order; what fails is tried again, and loses nothing."""

import threading
import uuid
from collections.abc import Sequence
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone

from arena.models import Delivery, Webhook
from arena.outbound.tests.web import Scripted
from arena.states import DeliveryStatus
from arena.tests.builders import at_once
from arena.webhooks import hooks, sending
from arena.webhooks.sending import BACK_OFF_SECONDS, Letter, Sent, pause_after, send_due
from arena.webhooks.signing import signed_headers
from arena.webhooks.tests.builders import Receiver, is_signed, make_delivery, make_hook

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    cache.clear()
    monkeypatch.setattr("arena.nudges.current_app.send_task", lambda *args, **options: None)


def put(hook: Webhook, count: int = 1) -> list[uuid.UUID]:
    ids = [uuid.uuid4() for _ in range(count)]
    for number, event_id in enumerate(ids):
        make_delivery(hook, event_id=event_id, body=f'{{"number": {number}}}')
    return ids


def make_due() -> None:
    """As if the time had come."""
    past = timezone.now() - timedelta(seconds=1)
    Delivery.objects.filter(status=DeliveryStatus.WAITING).update(due_at=past)
    Webhook.objects.update(rests_until=past)


def test_a_delivery_is_signed_as_the_specification_says(receiver: Receiver) -> None:
    hook, secret = make_hook(receiver)
    (event_id,) = put(hook)
    assert not send_due()
    ((headers, body),) = receiver.got
    assert is_signed(headers, body, secret)
    assert not is_signed(headers, body + b" ", secret)
    assert headers["webhook-id"] == str(event_id)
    assert headers["Content-Type"] == "application/json"
    assert Delivery.objects.get().status == DeliveryStatus.DELIVERED


def test_signatures_equal_those_of_the_specifications_own_example() -> None:
    """From the reference libraries' tests."""
    headers = signed_headers(
        '{"test": 2432232314}',
        event_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        at_seconds=1614265330,
        secrets=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_for_a_day_after_a_rotation_both_secrets_sign(receiver: Receiver) -> None:
    hook, old = make_hook(receiver)
    new = hooks.rotate_secret(hook.owner_id, hook_id=hook.pk)
    put(hook)
    send_due()
    Webhook.objects.update(old_secret_until=timezone.now() - timedelta(seconds=1))
    put(hook)
    send_due()
    first, second = receiver.got
    assert [is_signed(*first, secret) for secret in (old, new)] == [True, True]
    assert [is_signed(*second, secret) for secret in (old, new)] == [False, True]


@pytest.mark.parametrize("status", [500, 429, 404, 301])
def test_what_is_not_taken_is_tried_again_under_the_same_id(
    receiver: Receiver, status: int
) -> None:
    hook, _ = make_hook(receiver)
    (event_id,) = put(hook)
    receiver.script = [Scripted(status)]
    send_due()
    row = Delivery.objects.get()
    assert (row.status, row.attempts, row.last_status) == ("waiting", 1, status)
    assert str(status) in row.last_problem
    send_due()
    assert len(receiver.got) == 1, "not before its time"
    make_due()
    send_due()
    assert [headers["webhook-id"] for headers, _ in receiver.got] == [str(event_id)] * 2
    assert Delivery.objects.get().status == DeliveryStatus.DELIVERED
    hook.refresh_from_db()
    assert (hook.failures, hook.failing_since) == (0, None)


def test_retry_after_is_waited_for(receiver: Receiver) -> None:
    hook, _ = make_hook(receiver)
    put(hook, 2)
    receiver.script = [Scripted(429, headers={"Retry-After": "3000"})]
    before = timezone.now()
    send_due()
    hook.refresh_from_db()
    first = Delivery.objects.order_by("id")[0]
    for moment in (first.due_at, hook.rests_until):
        assert timedelta(seconds=2990) < moment - before < timedelta(seconds=3030)
    assert len(receiver.got) == 1, "the second one waits, too"


def test_pauses_grow_and_vary_and_the_last_failure_gives_up(receiver: Receiver) -> None:
    def pause(attempts: int, asked: float | None = None) -> float:
        letter = Letter(1, "id", "{}", attempts)
        return pause_after(Sent(letter, 500, "No.", asked), rng=Random(attempts))

    pauses = [pause(attempts) for attempts in range(len(BACK_OFF_SECONDS))]
    for seconds, step in zip(pauses, BACK_OFF_SECONDS, strict=True):
        assert 0.8 * step <= seconds <= 1.2 * step
    assert pauses[0] < pauses[2] < pauses[4] < pauses[6]
    assert pause(0, asked=10_000_000.0) == 86_400.0
    hook, _ = make_hook(receiver)
    put(hook)
    Delivery.objects.update(attempts=len(BACK_OFF_SECONDS))
    receiver.script = [Scripted(500)]
    send_due()
    assert Delivery.objects.get().status == DeliveryStatus.DEAD
    make_due()
    send_due()
    assert len(receiver.got) == 1


def test_a_redirect_into_the_network_is_not_followed(receiver: Receiver) -> None:
    hook, _ = make_hook(receiver)
    put(hook)
    inside = f"{receiver.web.url}/inside"
    receiver.script = [Scripted(307, headers={"Location": inside})]
    send_due()
    assert [path for _, path, _, _ in receiver.web.asked] == ["/hook"]
    assert "no redirect" in Delivery.objects.get().last_problem


def test_an_answer_that_cannot_be_read_costs_no_other_webhook_its_events(
    receiver: Receiver,
) -> None:
    for _ in range(2):
        put(make_hook(receiver)[0])
    receiver.script = [Scripted(302, headers={"Location": "https://xn--a/"}), Scripted(204)]
    send_due()
    outcomes = Delivery.objects.values_list("status", "last_problem")
    assert sorted(status for status, _ in outcomes) == ["delivered", "waiting"]
    assert all(problem for status, problem in outcomes if status == "waiting")


def test_a_name_that_leads_inside_by_now_is_refused_when_it_is_sent_to(
    receiver: Receiver, settings: Any
) -> None:
    hook, _ = make_hook(receiver)
    put(hook)
    Webhook.objects.update(url=f"http://elsewhere.example:{receiver.web.port}/hook")

    async def resolving(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    send_due(resolving=resolving)
    assert receiver.got == []
    assert "not public" in Delivery.objects.get().last_problem


def test_plain_http_is_refused_once_the_operator_forbids_it(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    hook, _ = make_hook(receiver)
    put(hook)
    monkeypatch.setattr(settings.ENV, "webhooks_over_http", False)
    send_due()
    assert receiver.got == []
    assert "https://" in Delivery.objects.get().last_problem


def test_a_worker_that_dies_after_sending_has_it_sent_again_and_loses_nothing(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook, _ = make_hook(receiver)
    (event_id,) = put(hook)

    def killed(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(sending, "_note", killed)
        with pytest.raises(KeyboardInterrupt):
            send_due()
    assert not send_due(), "the dead worker still holds it"
    Webhook.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    send_due()
    assert [headers["webhook-id"] for headers, _ in receiver.got] == [str(event_id)] * 2
    assert Delivery.objects.get().status == DeliveryStatus.DELIVERED


def test_two_workers_at_once_send_each_delivery_once_and_in_order(receiver: Receiver) -> None:
    for _ in range(3):
        hook, _ = make_hook(receiver)
        put(hook, 4)
    assert at_once(send_due, send_due) in ([False, False], [True, False], [False, True])
    assert len(receiver.got) == 12
    by_id = {str(row.event_id): row.webhook_id for row in Delivery.objects.all()}
    numbers: dict[int, list[int]] = {}
    for (headers, _), body in zip(receiver.got, receiver.bodies, strict=True):
        numbers.setdefault(by_id[headers["webhook-id"]], []).append(body["number"])
    assert list(numbers.values()) == [[0, 1, 2, 3]] * 3


def test_a_slow_receiver_is_given_up_on_in_time_and_holds_up_nobody(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "REQUEST_SECONDS", 3.0)
    slow, _ = make_hook(receiver)
    quick, _ = make_hook(receiver)
    Webhook.objects.filter(id=slow.pk).update(url=f"{receiver.web.url}/slow")
    never = threading.Event()
    put(slow, 5)
    put(quick, 5)
    answer = Scripted(until=never)
    monkeypatch.setattr(
        receiver.web._server.RequestHandlerClass,
        "do_POST",
        _slowly(receiver.web._server.RequestHandlerClass.do_POST, answer),  # type: ignore[attr-defined]
    )
    try:
        send_due()
    finally:
        never.set()
    assert quick.deliveries.filter(status=DeliveryStatus.DELIVERED).count() == 5
    assert "longer than" in slow.deliveries.order_by("id")[0].last_problem
    assert slow.deliveries.filter(attempts=0).count() == 4, "one try in a turn"


def _slowly(handle: Any, answer: Scripted) -> Any:
    def handling(self: Any) -> None:
        if self.path == "/slow" and answer.until is not None:
            answer.until.wait(20)
        handle(self)

    return handling


def test_a_webhook_that_fails_for_days_is_paused_with_a_reason(receiver: Receiver) -> None:
    hook, _ = make_hook(receiver)
    put(hook)
    Webhook.objects.update(failing_since=timezone.now() - sending.FAILING_FOR)
    receiver.script = [Scripted(503)]
    send_due()
    hook.refresh_from_db()
    assert hook.paused_at is not None
    assert hook.pause_reason == "Every try failed for 3 days. It answered 503."
    make_due()
    send_due()
    assert len(receiver.got) == 1
    hooks.resume_webhook(hook.owner_id, hook_id=hook.pk)
    make_due()
    send_due()
    assert Delivery.objects.get().status == DeliveryStatus.DELIVERED


def test_a_server_that_wants_no_more_is_paused_at_once(receiver: Receiver) -> None:
    hook, _ = make_hook(receiver)
    put(hook)
    receiver.script = [Scripted(410)]
    send_due()
    hook.refresh_from_db()
    assert "410" in hook.pause_reason


def test_a_secret_that_no_key_opens_pauses_the_webhook_and_sends_nothing(
    receiver: Receiver,
) -> None:
    hook, _ = make_hook(receiver)
    put(hook)
    Webhook.objects.update(sealed_secret="gibberish")
    send_due()
    hook.refresh_from_db()
    assert "Rotate it" in hook.pause_reason
    assert receiver.got == []
    assert Delivery.objects.get().status == DeliveryStatus.WAITING


def test_nothing_of_the_address_or_the_secret_is_logged(
    receiver: Receiver, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hook, secret = make_hook(receiver)
    put(hook)
    said: list[str] = []
    monkeypatch.setattr(sending.log, "info", lambda *args, **values: said.append(f"{args}{values}"))
    receiver.script = [Scripted(500, body=b"the answer of a stranger")]
    send_due()
    assert len(said) == 1
    assert not [word for word in ("/hook", secret, "127.0.0.1", "stranger") if word in said[0]]
    assert "stranger" not in Delivery.objects.get().last_problem
