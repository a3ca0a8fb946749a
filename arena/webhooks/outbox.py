"""Stores what is to be sent, in the transaction of the event itself: a kill between the two loses nothing.

For the system: verbs that make an event true call these, inside their own transactions.
"""

import json
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from arena.models import Delivery, Webhook
from arena.nudges import nudge_webhooks_on_commit
from arena.states import DeliveryStatus, HookEvent

# Of one webhook. One that falls further behind is paused: nobody reads what is that late.
MAX_WAITING = 1_000
TOO_MANY = f"More than {MAX_WAITING:,} events waited for it."
_NAMESPACE = uuid.UUID("0d5c9b52-0b0b-4c57-8a3b-3f0a6b1e2c77")


def tell(
    owner_ids: Collection[int],
    kind: HookEvent,
    *,
    key: str,
    data: Callable[[int], Mapping[str, Any]],
) -> None:
    """Store an event for every webhook of these owners that wants to hear of it.

    `key` names the event among those of its kind: the same key again stores nothing. `data`: of an owner.
    """
    hooks = list(active_hooks().filter(owner_id__in=list(owner_ids), events__contains=[kind.value]))
    if not hooks:
        return
    now = timezone.now()
    _store(
        [
            Delivery(
                webhook=hook,
                event_id=uuid.uuid5(_NAMESPACE, f"{kind}:{key}:{hook.owner_id}"),
                kind=kind,
                body=body_of(kind, data(hook.owner_id), at=now),
            )
            for hook in hooks
            if not _is_full(hook, now)
        ]
    )


def ping(hook: Webhook) -> None:
    """Store an event that says only that the webhook works."""
    body = body_of(HookEvent.PING, {"webhook_id": hook.pk}, at=timezone.now())
    _store([Delivery(webhook=hook, event_id=uuid.uuid4(), kind=HookEvent.PING, body=body)])


def active_hooks() -> QuerySet[Webhook]:
    """Those that are told of events."""
    return Webhook.objects.filter(deleted_at=None, paused_at=None, owner__is_active=True)


def body_of(kind: HookEvent, data: Mapping[str, Any], *, at: datetime) -> str:
    """The payload as it is sent, with the members that the specification names."""
    return json.dumps({"type": kind.value, "timestamp": at.isoformat(), "data": data})


def _store(deliveries: Sequence[Delivery]) -> None:
    assert connection.in_atomic_block, "an event is stored in its own transaction"
    Delivery.objects.bulk_create(deliveries, ignore_conflicts=True)
    if deliveries:
        nudge_webhooks_on_commit()


def _is_full(hook: Webhook, now: datetime) -> bool:
    waiting = Delivery.objects.filter(webhook=hook, status=DeliveryStatus.WAITING)
    if not waiting.order_by("due_at", "id")[MAX_WAITING:].values("id").exists():
        return False
    Webhook.objects.filter(id=hook.pk, paused_at=None).update(paused_at=now, pause_reason=TOO_MANY)
    return True
