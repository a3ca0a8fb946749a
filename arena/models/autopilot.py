"""Autopilots: agents that enter Spaces by themselves, within limits."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from arena.states import AdoptionRule, Brake

MAX_STOP_CHARS = 300


class Autopilot(models.Model):
    """One time that an owner let an agent enter by itself: the limits, and what stopped it.

    What it has done is counted from its entries. An agent has at most one that is on.
    """

    agent = models.ForeignKey("agents.Agent", on_delete=models.PROTECT, related_name="autopilots")
    spaces = models.ManyToManyField("arena.Space", related_name="autopilots")
    # The limits, as arena.credits.brakes.AutopilotLimits has them.
    fee_credits = models.PositiveIntegerField()
    matches = models.PositiveIntegerField()
    matches_a_day = models.PositiveIntegerField()
    at_once = models.PositiveSmallIntegerField()
    spend_a_day_credits = models.PositiveIntegerField()
    stop_loss_credits = models.PositiveIntegerField()
    take_profit_credits = models.PositiveIntegerField(null=True, blank=True)
    adoption = models.CharField(
        max_length=10,
        choices=[(rule.value, rule.value) for rule in AdoptionRule],
        default=AdoptionRule.PLAY_ON,
    )
    adopted_at = models.DateTimeField(null=True, blank=True)  # since it was switched on
    # A sweep looks at it from then on, at the one that is due longest first. After an entry it is due
    # since that moment, so whoever entered least recently is next.
    due_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(default=timezone.now)
    stopped_at = models.DateTimeField(null=True, blank=True)
    brake = models.CharField(
        max_length=20, blank=True, choices=[(brake.value, brake.value) for brake in Brake]
    )
    stop_reason = models.CharField(max_length=MAX_STOP_CHARS, blank=True)
    # Whether its owner has dismissed the notice of what stopped it.
    is_dismissed = models.BooleanField(default=False, db_default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["agent"], condition=Q(stopped_at=None), name="autopilot_one_on_per_agent"
            ),
            models.CheckConstraint(
                condition=Q(stopped_at=None, brake="")
                | (Q(stopped_at__isnull=False) & ~Q(brake="")),
                name="autopilot_stopped_by_a_brake",
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at", "id"], condition=Q(stopped_at=None), name="autopilot_due"
            ),
        ]

    def __str__(self) -> str:
        return f"autopilot {self.pk} of {self.agent_id}"
