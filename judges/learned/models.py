"""Rows of judges that learn: each training made a version, adopted or refused with its figures."""

from django.db import models


class LearnedStatus(models.TextChoices):
    """What the gate or the staff made of a version."""

    ADOPTED = "adopted"  # it votes, or voted until another one was adopted
    REFUSED = "refused"


class LearnedVersion(models.Model):
    """The outcome of one training. The one that votes is named by the judge's configuration."""

    judge = models.ForeignKey("judges.Judge", on_delete=models.PROTECT, related_name="learned")
    digest = models.CharField(max_length=64)  # SHA-256 of adapter and head: training.judging.store
    base = models.CharField(max_length=120)  # served name of the base model
    status = models.CharField(max_length=10, choices=LearnedStatus.choices)
    reason = models.CharField(max_length=600)  # the gate's sentence, for everybody
    kinds = models.JSONField(default=list)  # of tasks, for which it is certified
    # Accuracies with intervals, by set of pairs; and how it was trained.
    figures = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["judge", "-created_at"], name="learned_newest")]

    def __str__(self) -> str:
        return f"learned version {self.pk} of {self.judge_id}"
