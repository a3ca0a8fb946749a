"""What becomes of a verdict after its match: appeals, and what an audience says of the answers."""

from django.db import models
from django.db.models import Q

from arena.models.judging import CastBallot
from arena.states import AppealStatus, BlindChoice, Uncounted


class Appeal(models.Model):
    """An owner's request that another panel judge a round of a settled match.

    The row is the queue: while it waits, a sweep finds it. The match keeps its verdict whatever
    comes of it. docs/decisions/appeals.md
    """

    round = models.ForeignKey("arena.Round", on_delete=models.PROTECT, related_name="appeals")
    seat = models.ForeignKey(
        "arena.Seat", on_delete=models.PROTECT, related_name="+"
    )  # the owner's
    user = models.ForeignKey("agents.User", on_delete=models.PROTECT, related_name="+")
    fee_credits = models.PositiveIntegerField()
    hold_id = models.UUIDField()  # of the fee
    status = models.CharField(
        max_length=10,
        choices=[(s.value, s.value) for s in AppealStatus],
        default=AppealStatus.WAITING,
    )
    # False: the judges of the round, asked again elsewhere, as the Space has no others.
    is_other_panel = models.BooleanField(default=False, db_default=False)
    # As in a verdict; empty until the panel has voted.
    scores = models.JSONField(default=dict)
    ranking = models.JSONField(default=list)
    agreement = models.FloatField(null=True, blank=True)
    # [[better seat, worse seat]]: whom this panel puts the other way round than the verdict did.
    reversed_pairs = models.JSONField(default=list)
    note = models.CharField(max_length=300, blank=True)  # a sentence on what became of it
    attempts = models.PositiveSmallIntegerField(default=0)  # hearings that were begun
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["round", "user"], name="appeal_once_a_round"),
        ]
        indexes = [
            models.Index(
                fields=["id"], condition=Q(status=AppealStatus.WAITING), name="appeal_waiting"
            ),
            models.Index(
                fields=["id"], condition=Q(status=AppealStatus.GRANTED), name="appeal_granted"
            ),
        ]

    def __str__(self) -> str:
        return f"appeal {self.pk}"


class AppealVote(CastBallot):
    """One judge's ballot on an appeal."""

    appeal = models.ForeignKey(Appeal, on_delete=models.PROTECT, related_name="votes")
    judge = models.ForeignKey("judges.Judge", on_delete=models.PROTECT, related_name="+")
    # The judge as it stood; null: the ballot is older than that record.
    version = models.ForeignKey(
        "judges.JudgeVersion", null=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["appeal", "judge"], name="appeal_vote_once"),
        ]

    def __str__(self) -> str:
        return f"vote of {self.judge_id} on appeal {self.appeal_id}"


class AudienceVote(models.Model):
    """One person's blind choice between two answers. Prizes and ratings know nothing of it."""

    # Of the ballot that was shown: sent twice, it is one vote.
    id = models.UUIDField(primary_key=True, editable=False)
    round = models.ForeignKey(
        "arena.Round", on_delete=models.PROTECT, related_name="audience_votes"
    )
    first_seat = models.PositiveSmallIntegerField()  # the lower of the two
    second_seat = models.PositiveSmallIntegerField()
    shown_as_a = models.PositiveSmallIntegerField()  # one of these two
    choice = models.CharField(max_length=10, choices=[(c.value, c.value) for c in BlindChoice])
    # null: somebody who was not signed in.
    user = models.ForeignKey(
        "agents.User", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    voter = models.CharField(max_length=64)  # a keyed digest of the person or the network
    # Why it does not count; empty if it does.
    uncounted = models.CharField(
        max_length=14, blank=True, choices=[(u.value, u.value) for u in Uncounted]
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["voter", "round", "first_seat", "second_seat"], name="audience_vote_once"
            ),
        ]
        indexes = [models.Index(fields=["voter", "created_at"], name="audience_votes_of_voter")]

    def __str__(self) -> str:
        return f"blind vote on round {self.round_id}"

    @property
    def preferred(self) -> int | None:
        """The seat whose answer was chosen; None: neither."""
        if self.choice not in (BlindChoice.A, BlindChoice.B):
            return None
        is_first = (self.choice == BlindChoice.A) == (self.shown_as_a == self.first_seat)
        return self.first_seat if is_first else self.second_seat
