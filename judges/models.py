"""Registered judges."""

from enum import StrEnum

from django.db import models

from judges.calibration.models import GoldAnswer, GoldItem, GoldSource, Quarantine

__all__ = ["GoldAnswer", "GoldItem", "GoldSource", "Judge", "JudgeKind", "Quarantine"]


class JudgeKind(StrEnum):
    """How a judge reaches its vote; each has a module in judges.kinds."""

    CODE = "code"  # the environment's own checks
    POEM = "poem"  # gates for form, copy and relevance, then form and PMI
    PAIRWISE = "pairwise"  # an LLM asked about each pair in both orders
    COIN = "coin"  # random: the control that separates learning from luck


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
