"""Registered judges."""

from enum import StrEnum

from django.db import models

from judges.calibration.models import (
    CalibrationPoint,
    GoldAnswer,
    GoldItem,
    GoldSource,
    Quarantine,
)
from judges.endpoints.models import Endpoint, EndpointMonth
from judges.learned.models import LearnedStatus, LearnedVersion

__all__ = [
    "CalibrationPoint",
    "Endpoint",
    "EndpointMonth",
    "GoldAnswer",
    "GoldItem",
    "GoldSource",
    "Judge",
    "JudgeKind",
    "JudgeVersion",
    "LearnedStatus",
    "LearnedVersion",
    "Quarantine",
]


class JudgeKind(StrEnum):
    """How a judge reaches its vote; each has a module in judges.kinds."""

    CODE = "code"  # the environment's own checks
    POEM = "poem"  # gates for form, copy and relevance, then form and PMI
    PAIRWISE = "pairwise"  # an LLM asked about each pair in both orders
    RUBRIC = "rubric"  # an LLM marks each answer on some criteria
    PROCESS = "process"  # an LLM marks each step of an answer
    COIN = "coin"  # random: the control that separates learning from luck
    LEARNED = "learned"  # an adapter and a head that were trained here
    REWARD = "reward"  # a reward model's number for each answer
    EMBEDDING = "embedding"  # closeness to the task


class Judge(models.Model):
    """One judge that Spaces can seat on their panels."""

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=10, choices=[(k.value, k.value) for k in JudgeKind])
    description = models.TextField(blank=True)
    # Kind-specific. Never secrets: an endpoint's key comes from the environment.
    config = models.JSONField(default=dict, blank=True)
    # Set together with a row of Quarantine, which says why: judges.calibration.records
    quarantined_at = models.DateTimeField(null=True, blank=True, editable=False)
    # What its agreement with known orders makes of its weight: a factor in (0, 1].
    trust = models.FloatField(default=1.0, db_default=1.0, editable=False)

    def __str__(self) -> str:
        return self.name


class JudgeVersion(models.Model):
    """A judge as it stood when it voted. Never changes: a trigger refuses it."""

    judge = models.ForeignKey(Judge, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=10)
    config = models.JSONField()
    # Of the prompts that its kind sends, see judges.versions.prompt_digest; empty: it sends none,
    # or the version is older than this record.
    prompt_digest = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["judge", "number"], name="judge_version_number")
        ]

    def __str__(self) -> str:
        return f"version {self.number} of {self.judge_id}"
