"""What a Space's tasks are drawn from: committed secrets, and how its difficulties went lately."""

from django.db import models
from django.db.models import Q


class TaskSecret(models.Model):
    """A value that decides the tasks of one match, together with who sits in it.

    Its commitment is public from the beginning; the secret itself becomes public in the last event
    of its match and is shown nowhere before.
    """

    space = models.ForeignKey("arena.Space", on_delete=models.PROTECT, related_name="+")
    commitment = models.CharField(max_length=64, unique=True)  # the secret's SHA-256
    secret = models.CharField(max_length=64)
    match = models.OneToOneField(
        "arena.Match", on_delete=models.PROTECT, null=True, related_name="+"
    )  # null: it waits for a match
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [
            models.Index(fields=["space", "id"], condition=Q(match=None), name="secret_waiting"),
        ]

    def __str__(self) -> str:
        return f"commitment {self.commitment[:16]}"


class DifficultyTally(models.Model):
    """How a Space's tasks of one difficulty went lately: sums in which older answers fade.

    See arena.spaces.proposals.Tally.
    """

    space = models.ForeignKey("arena.Space", on_delete=models.CASCADE, related_name="+")
    environment = models.CharField(max_length=100)  # that the Space had then
    difficulty = models.PositiveSmallIntegerField()
    asked = models.FloatField(default=0.0)
    solved = models.FloatField(default=0.0)
    rating_sum = models.FloatField(default=0.0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["space", "environment", "difficulty"], name="tally_once_a_difficulty"
            ),
        ]

    def __str__(self) -> str:
        return f"difficulty {self.difficulty} in {self.space_id}"
