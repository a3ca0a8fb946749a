"""Adding, pausing, testing and deleting webhooks, and their secrets. Refusals are sentences."""

import asyncio
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from agents.errors import NotAvailable, Refused
from agents.models import User
from arena.models import Delivery, Webhook
from arena.nudges import nudge_webhooks_on_commit
from arena.outbound.client import OutboundFailed, OutboundRefused, check_target
from arena.states import MAX_HOOK_URL_CHARS, DeliveryStatus, HookEvent
from arena.webhooks import outbox
from arena.webhooks.signing import SECRET_BYTES, as_secret
from judges.endpoints.keys import seal

MAX_HOOKS_OF_USER = 10
CHOICES = tuple(event for event in HookEvent if event != HookEvent.PING)
OLD_SECRET_SIGNS = timedelta(days=1)
PINGS_APART = timedelta(seconds=10)
LOOKUP_SECONDS = 5.0


def add_webhook(user_id: int, *, url: str, events: Collection[HookEvent]) -> tuple[int, str]:
    """The new webhook's id, and the secret that signs what is sent to it. Raises Refused.

    Looks the address up, and refuses one inside the site's network.
    """
    url = url.strip()
    wanted = [event.value for event in CHOICES if event in events]
    if not wanted:
        raise Refused("Choose at least one event that the webhook is told of.")
    _check(url)
    secret = _new_secret()
    with transaction.atomic(durable=True):
        user = (
            User.objects.select_for_update(no_key=True)
            .filter(id=user_id, leaving_since=None)
            .first()
        )
        if user is None:
            raise NotAvailable("There is no such account.")
        if Webhook.objects.filter(owner=user, deleted_at=None).count() >= MAX_HOOKS_OF_USER:
            raise Refused(
                f"You have {MAX_HOOKS_OF_USER} webhooks, which is the most. Delete one first."
            )
        hook = Webhook.objects.create(
            owner=user, url=url, events=wanted, sealed_secret=seal(secret)
        )
    return hook.pk, secret


def pause_webhook(user_id: int, *, hook_id: int) -> None:
    """Tell it nothing until it is resumed; events of that time are not kept for it."""
    with transaction.atomic(durable=True):
        hook = own_locked_hook(user_id, hook_id)
        hook.paused_at = hook.paused_at or timezone.now()
        hook.save(update_fields=["paused_at"])


def resume_webhook(user_id: int, *, hook_id: int) -> None:
    """Go on, as if it had never failed; what still waits for it is sent now."""
    with transaction.atomic(durable=True):
        hook = own_locked_hook(user_id, hook_id)
        hook.paused_at, hook.pause_reason = None, ""
        hook.failures, hook.failing_since, hook.rests_until = 0, None, timezone.now()
        hook.save(
            update_fields=[
                "paused_at",
                "pause_reason",
                "failures",
                "failing_since",
                "rests_until",
            ]
        )
        nudge_webhooks_on_commit()


def delete_webhook(user_id: int, *, hook_id: int) -> None:
    """Forget its address, its secrets and everything that was or is to be sent to it."""
    with transaction.atomic(durable=True):
        _empty(own_locked_hook(user_id, hook_id))


def rotate_secret(user_id: int, *, hook_id: int, known: str | None = None) -> str:
    """The new secret, which signs from now on; for a day, the one before signs, too.

    `known`: the mark of the secret that the user was shown. Raises Refused if it was rotated since:
    a second rotation within the day would end the secret that the user's server still checks with.
    """
    secret = _new_secret()
    with transaction.atomic(durable=True):
        hook = own_locked_hook(user_id, hook_id)
        until = signing_ends(hook, timezone.now())
        if known is not None and until is not None and known != mark_of(until):
            raise Refused(
                "The secret was rotated already, so nothing was changed. Rotate it once more only "
                "if you did not copy the new one."
            )
        hook.sealed_old_secret = hook.sealed_secret
        hook.old_secret_until = timezone.now() + OLD_SECRET_SIGNS
        hook.sealed_secret = seal(secret)
        hook.save(update_fields=["sealed_old_secret", "old_secret_until", "sealed_secret"])
    return secret


def ping_webhook(user_id: int, *, hook_id: int) -> None:
    """Send an event that says only that the webhook works. Raises Refused while it is paused."""
    now = timezone.now()
    with transaction.atomic(durable=True):
        hook = own_locked_hook(user_id, hook_id)
        if hook.paused_at is not None:
            raise Refused("This webhook is paused. Resume it first.")
        pings = Delivery.objects.filter(webhook=hook, kind=HookEvent.PING)
        newest = pings.order_by("-id").first()
        if newest and newest.status == DeliveryStatus.WAITING:
            raise Refused("The last ping still waits for an answer.")
        if newest and newest.created_at > now - PINGS_APART:
            raise Refused("Wait ten seconds from one ping to the next.")
        hook.rests_until = now  # whoever mends a server wants to know at once
        hook.save(update_fields=["rests_until"])
        outbox.ping(hook)


def own_locked_hook(user_id: int, hook_id: int) -> Webhook:
    """The user's webhook, locked in the caller's transaction. Raises NotAvailable for others."""
    hook = (
        Webhook.objects.select_for_update(no_key=True)
        .filter(id=hook_id, owner_id=user_id, deleted_at=None)
        .first()
    )
    if hook is None:
        raise NotAvailable("There is no such webhook.")
    return hook


def erase_webhooks(owner_id: int) -> None:
    """Empty all webhooks of a person who leaves. For the system; may run twice."""
    with transaction.atomic(durable=True):
        hooks = Webhook.objects.select_for_update(no_key=True).filter(owner_id=owner_id)
        for hook in hooks.filter(deleted_at=None).order_by("id"):
            _empty(hook)


def signing_ends(hook: Webhook, now: datetime) -> datetime | None:
    """Until when the secret of before the last rotation signs, too; None if it does not any more."""
    until = hook.old_secret_until
    return until if until is not None and until > now else None


def mark_of(old_secret_until: datetime | None) -> str:
    """Changes with each rotation, and once more when the secret of before it signs no longer."""
    return old_secret_until.isoformat() if old_secret_until else ""


def _empty(hook: Webhook) -> None:
    hook.url = hook.sealed_secret = hook.sealed_old_secret = ""
    hook.deleted_at = timezone.now()
    hook.save(update_fields=["url", "sealed_secret", "sealed_old_secret", "deleted_at"])
    hook.deliveries.all().delete()


def _new_secret() -> str:
    return as_secret(secrets.token_bytes(SECRET_BYTES))


def _check(url: str) -> None:
    if len(url) > MAX_HOOK_URL_CHARS:
        raise Refused(f"An address has at most {MAX_HOOK_URL_CHARS} characters.")
    if not allows(url):
        raise Refused("The address has to begin with https://.")
    try:
        asyncio.run(_look_up(url))
    except TimeoutError:
        raise Refused(
            "This address cannot be used: its name could not be resolved in time."
        ) from None
    except (OutboundRefused, OutboundFailed) as reason:
        raise Refused(f"This address cannot be used: {reason}.") from None


def allows(url: str) -> bool:
    """Whether what is sent there is encrypted, or the operator lets it go without."""
    try:
        scheme = urlsplit(url).scheme
    except ValueError:
        return False
    return scheme == "https" or (scheme == "http" and settings.ENV.webhooks_over_http)


async def _look_up(url: str) -> None:
    async with asyncio.timeout(LOOKUP_SECONDS):
        await check_target(url)
