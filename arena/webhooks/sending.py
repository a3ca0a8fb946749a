"""Sends what is due: the webhooks at once, what waits for one of them in its order.

A worker holds a webhook while it sends to it, so that no two send the same. One that dies after sending and
before it could note so has it sent again: at least once, under the same id. For the system.
"""

import asyncio
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random, SystemRandom

import structlog
from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone

from arena import leases
from arena.models import Delivery, Webhook
from arena.outbound.client import (
    Outbound,
    OutboundFailed,
    OutboundRefused,
    Resolve,
    resolve,
    send,
)
from arena.outbound.waiting import retry_after
from arena.states import DeliveryStatus
from arena.webhooks import outbox
from arena.webhooks.hooks import allows, signing_ends
from arena.webhooks.signing import signed_headers
from judges.endpoints.keys import KeyUnreadable, opened

HOOKS_AT_ONCE = 20
SERIES = 10  # deliveries to one webhook before the others' turn
SERIES_SECONDS = 10.0  # and no new one is begun after so long
REQUEST_SECONDS = 10.0
MAX_REPLY_BYTES = 64_000  # of a reply that nobody reads
SEND_SECONDS = 20.0  # of one call: the thread is then given back
# Seconds after each failure; after the last of them, a delivery is given up.
BACK_OFF_SECONDS = (5, 60, 300, 1_800, 7_200, 18_000, 36_000, 36_000)
JITTER = 0.2  # of a pause, longer or shorter
LONGEST_REST_SECONDS = 1_800.0  # of a webhook that fails again and again
LONGEST_RETRY_AFTER_SECONDS = 86_400.0
FAILING_FOR = timedelta(days=3)  # then it is paused
GONE = 410

log = structlog.get_logger(__name__)
dice = SystemRandom()


@dataclass(frozen=True)
class Letter:
    """One delivery of a webhook."""

    delivery_id: int
    event_id: str
    body: str
    attempts: int  # before this one


@dataclass(frozen=True)
class Series:
    """What one webhook is sent in its turn."""

    hook_id: int
    url: str
    secrets: Sequence[str]  # empty: they cannot be read
    letters: Sequence[Letter]


@dataclass(frozen=True)
class Sent:
    """How a try went; no problem: the receiver took it."""

    letter: Letter
    status: int | None = None
    problem: str = ""
    retry_after_seconds: float | None = None


def send_due(*, resolving: Resolve = resolve, seconds: float = SEND_SECONDS) -> bool:
    """Send for so many seconds at the most; whether more is due then."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        owner = uuid.uuid4()
        claimed = _claim(owner)
        if not claimed:
            return False
        for series, sent in zip(claimed, asyncio.run(_send_all(claimed, resolving)), strict=True):
            _note(series, sent, owner)
    return due_hooks().exists()


def due_hooks() -> QuerySet[Webhook]:
    """Webhooks that have something to be sent now and that nobody sends to."""
    now = timezone.now()
    waiting = Delivery.objects.filter(
        webhook=OuterRef("pk"), status=DeliveryStatus.WAITING, due_at__lte=now
    )
    rested = outbox.active_hooks().filter(leases.expired(), rests_until__lte=now)
    return rested.filter(Exists(waiting))


def _claim(owner: uuid.UUID) -> list[Series]:
    now = timezone.now()
    with transaction.atomic(durable=True):
        rows = due_hooks().select_for_update(of=("self",), skip_locked=True, no_key=True)
        # Who rested longest first, so that many slow ones cannot keep the others waiting.
        hooks = list(rows.order_by("rests_until", "id")[:HOOKS_AT_ONCE])
        Webhook.objects.filter(id__in=[hook.pk for hook in hooks]).update(
            **leases.held(owner, until=now + leases.takeover())
        )
    return [_series(hook, now) for hook in hooks]


def _series(hook: Webhook, now: datetime) -> Series:
    due = Delivery.objects.filter(webhook=hook, status=DeliveryStatus.WAITING, due_at__lte=now)
    letters = [
        Letter(row.pk, str(row.event_id), row.body, row.attempts)
        for row in due.order_by("due_at", "id")[:SERIES]
    ]
    try:
        secrets = [opened(hook.sealed_secret)]
        if signing_ends(hook, now):
            secrets.append(opened(hook.sealed_old_secret))
    except KeyUnreadable:
        secrets = []
    return Series(hook.pk, hook.url, secrets, letters)


async def _send_all(claimed: Sequence[Series], resolving: Resolve) -> list[list[Sent]]:
    return await asyncio.gather(*(_send_series(series, resolving) for series in claimed))


async def _send_series(series: Series, resolving: Resolve) -> list[Sent]:
    """Up to the first that fails: the others would fail, too, and come in their order later."""
    ends = time.monotonic() + SERIES_SECONDS
    done: list[Sent] = []
    for letter in series.letters:
        if not series.secrets or time.monotonic() > ends:
            break
        done.append(await _send(series, letter, resolving))
        if done[-1].problem:
            break
    return done


async def _send(series: Series, letter: Letter, resolving: Resolve) -> Sent:
    if not allows(series.url):
        return Sent(letter, problem="Its address does not begin with https://.")
    signed = signed_headers(
        letter.body, event_id=letter.event_id, at_seconds=int(time.time()), secrets=series.secrets
    )
    headers = {"Content-Type": "application/json", "User-Agent": "RLFC-Arena-Webhooks/1", **signed}
    request = Outbound(
        "POST",
        series.url,
        letter.body.encode(),
        headers,
        max_bytes=MAX_REPLY_BYTES,
        timeout_seconds=REQUEST_SECONDS,
        follows=False,
    )
    try:
        reply = await send(request, resolving=resolving)
    except (OutboundRefused, OutboundFailed) as reason:
        return Sent(letter, problem=f"It was not reached: {reason}.")
    except Exception:
        log.exception(
            "webhook_not_sent", hook_id=series.hook_id
        )  # the others are sent all the same
        return Sent(letter, problem="Its answer could not be read.")
    if 200 <= reply.status < 300:
        return Sent(letter, status=reply.status)
    problem = f"It answered {reply.status}."
    if 300 <= reply.status < 400:
        problem = f"It answered {reply.status}: webhooks follow no redirect."
    asked = retry_after(reply.headers.get("retry-after", ""), now=timezone.now())
    return Sent(letter, reply.status, problem, asked)


def _note(series: Series, sent: Sequence[Sent], owner: uuid.UUID) -> None:
    """Write down how it went and give the webhook back, unless another worker has taken it over."""
    now = timezone.now()
    with transaction.atomic(durable=True):
        hook = Webhook.objects.select_for_update(no_key=True).get(id=series.hook_id)
        for one in sent:
            _note_delivery(one, now)
        if hook.deleted_at is not None:
            return
        if not series.secrets:
            _pause(hook, now, "Its secret cannot be read any more. Rotate it, then resume.")
        for one in sent:
            _note_health(hook, one, now)
        if hook.lease_owner == owner:
            hook.lease_owner = hook.lease_expires_at = None
        hook.save()


def _note_delivery(one: Sent, now: datetime) -> None:
    is_last = one.letter.attempts >= len(BACK_OFF_SECONDS)
    status = DeliveryStatus.DELIVERED
    if one.problem:
        status = DeliveryStatus.DEAD if is_last else DeliveryStatus.WAITING
        log.info(
            "webhook_failed", delivery_id=one.letter.delivery_id, status=one.status, is_last=is_last
        )
    Delivery.objects.filter(id=one.letter.delivery_id, status=DeliveryStatus.WAITING).update(
        status=status,
        attempts=F("attempts") + 1,
        last_status=one.status,
        last_problem=one.problem,
        last_tried_at=now,
        due_at=now + timedelta(seconds=pause_after(one, rng=dice)),
    )


def pause_after(one: Sent, *, rng: Random) -> float:
    """Seconds before a delivery is tried again: longer each time, never before its Retry-After."""
    step = BACK_OFF_SECONDS[min(one.letter.attempts, len(BACK_OFF_SECONDS) - 1)]
    asked = min(one.retry_after_seconds or 0.0, LONGEST_RETRY_AFTER_SECONDS)
    return max(asked, step * rng.uniform(1 - JITTER, 1 + JITTER))


def _note_health(hook: Webhook, one: Sent, now: datetime) -> None:
    if not one.problem:
        hook.failures, hook.failing_since, hook.rests_until = 0, None, now
        return
    hook.failures += 1
    hook.failing_since = hook.failing_since or now
    step = BACK_OFF_SECONDS[min(hook.failures, len(BACK_OFF_SECONDS)) - 1]
    rest = min(step * dice.uniform(1 - JITTER, 1 + JITTER), LONGEST_REST_SECONDS)
    asked = min(one.retry_after_seconds or 0.0, LONGEST_RETRY_AFTER_SECONDS)
    hook.rests_until = now + timedelta(seconds=max(rest, asked))
    if one.status == GONE:
        _pause(hook, now, "Its server answered 410: it wants no more of this.")
    elif now - hook.failing_since >= FAILING_FOR:
        _pause(hook, now, f"Every try failed for {FAILING_FOR.days} days. {one.problem}")


def _pause(hook: Webhook, now: datetime, reason: str) -> None:
    if hook.paused_at is None:
        hook.paused_at, hook.pause_reason = now, reason[:300]
        log.warning("webhook_paused", webhook_id=hook.pk)
