"""Votes of single judges and the panel's verdict on a round."""

from django.db import models

from judges.panel import preference
from judges.transcript import Comparisons


class CastBallot(models.Model):
    """What one judge said of a round. An abstention (the judge failed) has an error and no scores."""

    weight = models.FloatField(default=1.0)
    # {"<seat index>": float in [0, 1]}, higher is better; empty: abstained
    scores = models.JSONField(default=dict)
    # {"<seat index>": sentence}
    reasons = models.JSONField(default=dict)
    # [[seat index, higher seat index, 1 | 0 | -1]]: the pairs that a judge who compares could read,
    # see judges.transcript.Comparisons; null: it judges each answer by itself
    comparisons = models.JSONField(null=True)
    # {"<seat index>": [[begin, end, score, reason]]}, see judges.transcript.StepScore; the steps' text
    # is that of the answer; null: the judge grades no steps
    steps = models.JSONField(null=True)
    error = models.CharField(max_length=300, blank=True)
    seconds = models.FloatField(default=0.0)
    # As in judges.transcript.Usage
    prompt_digest = models.CharField(max_length=64, blank=True, db_default="")
    prompt_tokens = models.PositiveIntegerField(default=0, db_default=0)
    completion_tokens = models.PositiveIntegerField(default=0, db_default=0)
    cost_micros = models.PositiveBigIntegerField(default=0, db_default=0)

    class Meta:
        abstract = True


class Vote(CastBallot):
    """One judge on one round."""

    round = models.ForeignKey("arena.Round", on_delete=models.PROTECT, related_name="votes")
    judge = models.ForeignKey("judges.Judge", on_delete=models.PROTECT, related_name="votes")
    # The judge as it stood; null: the vote is older than that record.
    version = models.ForeignKey(
        "judges.JudgeVersion", null=True, on_delete=models.PROTECT, related_name="votes"
    )
    # {"<seat index>": [{"name", "passed", "detail"}]}: what the judge checked, if it reports that
    checks = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["round", "judge"], name="vote_once_a_round"),
        ]
        indexes = [
            models.Index(fields=["judge", "id"], name="vote_newest_of_judge"),
        ]

    def __str__(self) -> str:
        return f"vote of {self.judge_id} on round {self.round_id}"

    def preference(self, first: int, second: int) -> int | None:
        """What it says of two seats that it voted on; see judges.panel.preference."""
        scores = {seat: float(self.scores[str(seat)]) for seat in (first, second)}
        return preference(scores, self.compared, first, second)

    @property
    def compared(self) -> Comparisons | None:
        if self.comparisons is None:
            return None
        return {(first, second): preferred for first, second, preferred in self.comparisons}


class Verdict(models.Model):
    """The panel's ranking of a round."""

    round = models.OneToOneField("arena.Round", on_delete=models.PROTECT, related_name="verdict")
    # {"<seat index>": float in [0, 1]}
    scores = models.JSONField()
    # Seat indexes, best first; seats in one inner list are tied.
    ranking = models.JSONField()
    # Share of pairs of seats on which all voting judges agree, 0 to 1.
    agreement = models.FloatField()
    # Krippendorff's, see judges.panel.PanelVerdict; null: there was nothing to compare, or the
    # verdict is older than this record
    alpha = models.FloatField(null=True)
    # The judges agreed less than the match demands: all seats are tied.
    is_split = models.BooleanField(default=False, db_default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"verdict on round {self.round_id}"
