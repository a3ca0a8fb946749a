"""Webhooks, and what is to be sent to them."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

from arena.states import MAX_HOOK_URL_CHARS, DeliveryStatus

MAX_REASON_CHARS = 300


class Webhook(models.Model):
    """An address that its owner wants to be told of events.

    The row of a deleted one stays for a while, emptied: who tells of an event at this moment must find it.
    """

    owner = models.ForeignKey("agents.User", on_delete=models.PROTECT, related_name="webhooks")
    url = models.CharField(max_length=MAX_HOOK_URL_CHARS, blank=True)
    events = ArrayField(models.CharField(max_length=40))  # of HookEvent
    # See judges.endpoints.keys. The one before the last rotation signs, too, until then.
    sealed_secret = models.TextField(editable=False)
    sealed_old_secret = models.TextField(blank=True, editable=False)
    old_secret_until = models.DateTimeField(null=True, blank=True)
    paused_at = models.DateTimeField(null=True, blank=True)
    pause_reason = models.CharField(max_length=MAX_REASON_CHARS, blank=True)  # empty: its owner
    failures = models.PositiveIntegerField(default=0)  # in a row
    failing_since = models.DateTimeField(null=True, blank=True)
    rests_until = models.DateTimeField(default=timezone.now)  # after a failure
    lease_owner = models.UUIDField(null=True, blank=True)  # the worker that sends to it
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(paused_at__isnull=False) | Q(pause_reason=""),
                name="webhook_reason_of_a_pause",
            ),
        ]

    def __str__(self) -> str:
        return f"webhook {self.pk}"


class Delivery(models.Model):
    """One event for one webhook, stored in the transaction that made the event true."""

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    event_id = models.UUIDField()  # the same however often it is sent: by it receivers see doubles
    kind = models.CharField(max_length=40)  # a HookEvent
    body = models.TextField()  # JSON, as it is sent and signed
    status = models.CharField(
        max_length=10,
        choices=[(s.value, s.value) for s in DeliveryStatus],
        default=DeliveryStatus.WAITING,
    )
    attempts = models.PositiveSmallIntegerField(default=0)  # since the last replay
    due_at = models.DateTimeField(default=timezone.now)
    last_status = models.PositiveSmallIntegerField(null=True, blank=True)  # of HTTP
    last_problem = models.CharField(max_length=MAX_REASON_CHARS, blank=True)
    last_tried_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(fields=["webhook", "event_id"], name="delivery_once_a_webhook"),
        ]
        indexes = [
            models.Index(
                fields=["webhook", "due_at", "id"],
                condition=Q(status=DeliveryStatus.WAITING),
                name="delivery_due",
            ),
            models.Index(
                fields=["webhook", "id"],
                condition=Q(status=DeliveryStatus.DEAD),
                name="delivery_dead",
            ),
            models.Index(fields=["webhook", "id"], name="delivery_newest_of_webhook"),
            models.Index(fields=["created_at"], name="delivery_oldest"),
        ]

    def __str__(self) -> str:
        return f"delivery {self.pk}"
