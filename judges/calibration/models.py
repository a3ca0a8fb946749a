"""Rows of gold: items with a known order, judges' answers to them, and quarantines."""

from django.db import models
from django.db.models import Q

from judges.calibration.heard import GoldOutcome


class GoldSource(models.TextChoices):
    """Where an item's order is known from."""

    CODE = "code"  # an answer by code against one that code has spoiled
    ROUND = "round"  # answers of house agents in a finished round, which code tells apart
    ATTACK = "attack"  # an attack against an honest answer


class GoldItem(models.Model):
    """A question to judges whose right order is known. No page shows one that is in use."""

    key = models.CharField(max_length=64, unique=True)  # digest of the transcript
    source = models.CharField(max_length=10, choices=GoldSource.choices)
    environment = models.CharField(max_length=100)
    kind = models.CharField(max_length=60)  # of the task
    fault = models.CharField(max_length=40)  # what is wrong with the worse answer: "off topic", ...
    # {"prompt", "kind", "data", "answers": [{"seat", "text", "score", "checks"}], "reference"}, as
    # judges.transcript.Transcript has it
    transcript = models.JSONField()
    # Seats, best first; those of one inner list are in no known order.
    order = models.JSONField()
    # {"<seat>": served name of the base model that wrote it, "" for code}
    authors = models.JSONField(default=dict)
    # arena.models.Bounty that paid for the attack, so that it can be erased
    bounty_id = models.BigIntegerField(null=True, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)  # no judge is asked it any longer
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["environment", "id"], condition=Q(retired_at=None), name="gold_in_use"
            ),
        ]

    def __str__(self) -> str:
        return f"gold {self.pk} of {self.environment}"


class GoldAnswer(models.Model):
    """A judge's ballot on an item, its seats in one of both orders."""

    judge = models.ForeignKey("judges.Judge", on_delete=models.CASCADE, related_name="gold_answers")
    item = models.ForeignKey(GoldItem, on_delete=models.PROTECT, related_name="answers")
    # Of the judge as it was asked: judges.calibration.records.judge_digest
    judge_digest = models.CharField(max_length=64)
    is_swapped = models.BooleanField()  # the item's seats were shown in reverse
    outcome = models.CharField(max_length=10, choices=[(o.value, o.value) for o in GoldOutcome])
    # As of arena's votes, by the seats that were shown.
    scores = models.JSONField(default=dict)
    comparisons = models.JSONField(null=True)
    reasons = models.JSONField(default=dict)
    error = models.CharField(max_length=300, blank=True)
    # [[seat shown first, seat shown second, 1 | 0 | -1]], as of judges.transcript.Ballot.orders
    orders = models.JSONField(default=list, db_default=[])
    seconds = models.FloatField(default=0.0)
    cost_micros = models.PositiveBigIntegerField(default=0, db_default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["judge", "judge_digest", "item", "is_swapped"], name="gold_asked_once"
            ),
        ]
        indexes = [models.Index(fields=["judge", "created_at"], name="gold_newest_of_judge")]

    def __str__(self) -> str:
        return f"answer of {self.judge_id} to gold {self.item_id}"


class CalibrationPoint(models.Model):
    """A judge's figures at the end of a day on which it was asked gold, or until now."""

    judge = models.ForeignKey(
        "judges.Judge", on_delete=models.CASCADE, related_name="calibration_points"
    )
    day = models.DateField()  # in UTC
    items = models.PositiveIntegerField()
    # Null: nothing counts yet.
    kappa = models.FloatField(null=True)
    kappa_low = models.FloatField(null=True)
    kappa_high = models.FloatField(null=True)
    # {"position" | "length" | "own_model": {"value", "low", "high", "pairs"}}, those that are known
    biases = models.JSONField(default=dict)
    unsaid_share = models.FloatField(null=True)  # of the pairs of which it was asked
    # Of the questions of the last day.
    away_share = models.FloatField(default=0.0)  # its server did not answer
    seconds_median = models.FloatField(null=True)
    seconds_slow = models.FloatField(null=True)  # nine in ten take no longer
    cost_micros = models.PositiveBigIntegerField(default=0)  # of all of them together

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["judge", "day"], name="calibration_once_a_day"),
        ]

    def __str__(self) -> str:
        return f"figures of {self.judge_id} on {self.day}"


class Quarantine(models.Model):
    """A time in which a judge may not vote, and why."""

    judge = models.ForeignKey("judges.Judge", on_delete=models.CASCADE, related_name="quarantines")
    reason = models.CharField(max_length=300)  # a sentence for everybody
    # What was measured; null: a person decided.
    kappa = models.FloatField(null=True)
    kappa_high = models.FloatField(null=True)
    items = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.CharField(max_length=150, blank=True)  # a username of the staff

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["judge"], condition=Q(lifted_at=None), name="quarantine_one_at_a_time"
            ),
        ]

    def __str__(self) -> str:
        return f"quarantine of {self.judge_id}"
