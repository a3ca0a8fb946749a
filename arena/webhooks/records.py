"""What was sent to a person's webhooks, and sending it again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Count, QuerySet
from django.utils import timezone

from agents.errors import NotAvailable, Refused
from arena.models import Delivery, Webhook
from arena.nudges import nudge_webhooks_on_commit
from arena.states import DeliveryStatus, HookEvent
from arena.webhooks.hooks import mark_of, own_locked_hook, signing_ends
from arena.webhooks.outbox import MAX_WAITING


@dataclass(frozen=True)
class HookLine:
    """A webhook as its owner sees it. `pause_reason`: why the site paused it; empty if it did not."""

    hook_id: int
    url: str
    events: tuple[HookEvent, ...]
    created_at: datetime
    is_paused: bool
    pause_reason: str
    failures: int  # in a row
    failing_since: datetime | None
    old_secret_until: datetime | None  # it signs, too, until then
    waiting: int
    dead: int

    @property
    def secret_mark(self) -> str:
        """What a form that rotates the secret gives back: see `rotate_secret`."""
        return mark_of(self.old_secret_until)


@dataclass(frozen=True)
class DeliveryLine:
    """One event that a webhook is told of, and how the last try went."""

    delivery_id: int
    event_id: str
    kind: HookEvent
    status: DeliveryStatus
    attempts: int
    created_at: datetime
    last_tried_at: datetime | None
    due_at: datetime | None  # of the next try; None if there is none
    last_status: int | None
    last_problem: str
    body: str


def webhooks_of(viewer: int) -> tuple[HookLine, ...]:
    """The user's webhooks, newest first."""
    hooks = list(Webhook.objects.filter(owner_id=viewer, deleted_at=None).order_by("-id"))
    return _lines(hooks)


def webhook_view(hook_id: int, *, viewer: int) -> HookLine:
    """One of the user's webhooks. Raises NotAvailable for anybody else."""
    (line,) = _lines([_own(viewer, hook_id)])
    return line


def stopped_webhooks(viewer: int) -> int:
    """How many of the user's webhooks the site has paused, for a notice."""
    own = Webhook.objects.filter(owner_id=viewer, deleted_at=None)
    return own.exclude(pause_reason="").count()


def deliveries_of(
    hook_id: int, *, viewer: int, before: int | None = None, limit: int
) -> tuple[DeliveryLine, ...]:
    """What one of the user's webhooks was or will be told, newest first, before this id."""
    rows = Delivery.objects.filter(webhook=_own(viewer, hook_id)).order_by("-id")
    if before is not None:
        rows = rows.filter(id__lt=before)
    return tuple(
        DeliveryLine(
            delivery_id=row.pk,
            event_id=str(row.event_id),
            kind=HookEvent(row.kind),
            status=DeliveryStatus(row.status),
            attempts=row.attempts,
            created_at=row.created_at,
            last_tried_at=row.last_tried_at,
            due_at=row.due_at if row.status == DeliveryStatus.WAITING else None,
            last_status=row.last_status,
            last_problem=row.last_problem,
            body=row.body,
        )
        for row in rows[:limit]
    )


def replay_delivery(user_id: int, *, hook_id: int, delivery_id: int) -> None:
    """Send it again, under the same id, whatever became of it."""
    with transaction.atomic(durable=True):
        hook = own_locked_hook(user_id, hook_id)
        chosen = Delivery.objects.filter(webhook=hook, id=delivery_id)
        if not chosen.exists():
            raise NotAvailable("There is no such delivery.")
        _replay(hook, chosen)


def replay_failed(user_id: int, *, hook_id: int) -> int:
    """Send again what was given up, oldest first and as much as may wait; how many those are."""
    with transaction.atomic(durable=True):
        hook = own_locked_hook(user_id, hook_id)
        room = MAX_WAITING - hook.deliveries.filter(status=DeliveryStatus.WAITING).count()
        dead = hook.deliveries.filter(status=DeliveryStatus.DEAD).order_by("id")
        return _replay(hook, Delivery.objects.filter(id__in=dead.values("id")[: max(0, room)]))


def _replay(hook: Webhook, chosen: QuerySet[Delivery]) -> int:
    if hook.paused_at is not None:
        raise Refused("This webhook is paused. Resume it first.")
    now = timezone.now()
    hook.rests_until = now
    hook.save(update_fields=["rests_until"])
    nudge_webhooks_on_commit()
    return chosen.update(status=DeliveryStatus.WAITING, attempts=0, due_at=now)


def _own(viewer: int, hook_id: int) -> Webhook:
    hook = Webhook.objects.filter(id=hook_id, owner_id=viewer, deleted_at=None).first()
    if hook is None:
        raise NotAvailable("There is no such webhook.")
    return hook


def _lines(hooks: list[Webhook]) -> tuple[HookLine, ...]:
    now = timezone.now()
    waiting = _counts(hooks, DeliveryStatus.WAITING)
    dead = _counts(hooks, DeliveryStatus.DEAD)
    return tuple(
        HookLine(
            hook_id=hook.pk,
            url=hook.url,
            events=tuple(HookEvent(event) for event in hook.events),
            created_at=hook.created_at,
            is_paused=hook.paused_at is not None,
            pause_reason=hook.pause_reason,
            failures=hook.failures,
            failing_since=hook.failing_since,
            old_secret_until=signing_ends(hook, now),
            waiting=waiting.get(hook.pk, 0),
            dead=dead.get(hook.pk, 0),
        )
        for hook in hooks
    )


def _counts(hooks: list[Webhook], status: DeliveryStatus) -> Mapping[int, int]:
    """How many deliveries of each webhook have the status; each of the two asked for has an index."""
    rows = Delivery.objects.filter(webhook__in=hooks, status=status).order_by()
    return dict(rows.values_list("webhook_id").annotate(count=Count("id")))
