"""What webhooks were told, once nobody asks for it any more, and webhooks that were deleted.

For the system, without a user.
"""

from datetime import timedelta

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from arena.models import Delivery, Webhook
from training.retention.freed import Freed, Kind

BATCH = 500
# Longer than any transaction that may still tell a deleted webhook of its event.
DELETED_FOR = timedelta(days=1)


def collect() -> Freed:
    """Delete the oldest deliveries that are due, and the emptied rows of deleted webhooks."""
    batch = _old_deliveries().order_by("created_at").values("pk")[:BATCH]
    count, _ = Delivery.objects.filter(pk__in=batch).delete()
    gone, _ = Webhook.objects.filter(pk__in=_deleted_webhooks().values("pk")[:BATCH]).delete()
    return Freed(count + gone)


DELIVERIES = Kind(
    name="deliveries",
    what="deliveries of webhooks",
    kept=lambda: f"{settings.ENV.retain_deliveries_days} days",
    due=lambda: Freed(_old_deliveries().count() + _deleted_webhooks().count()),
    collect=collect,
)


def _old_deliveries() -> QuerySet[Delivery]:
    """Also those that still wait: their webhook was paused all that time."""
    before = timezone.now() - timedelta(days=settings.ENV.retain_deliveries_days)
    return Delivery.objects.filter(created_at__lt=before)


def _deleted_webhooks() -> QuerySet[Webhook]:
    """With what was told of them after they were deleted."""
    return Webhook.objects.filter(deleted_at__lt=timezone.now() - DELETED_FOR)
