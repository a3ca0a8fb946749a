"""Attacks on judges: a sample that runs in production, and what people submit for a bounty."""

from django.db import models
from django.db.models import Q


class AttackTrial(models.Model):
    """An attack of the suite beside an honest answer, before a judge or a whole panel."""

    space = models.ForeignKey("arena.Space", on_delete=models.CASCADE, related_name="attack_trials")
    judge = models.ForeignKey(
        "judges.Judge", on_delete=models.CASCADE, null=True, related_name="attack_trials"
    )  # null: the Space's whole panel
    attack = models.CharField(max_length=40)  # a name of judges.attacks.ATTACKS
    # "held", "fooled", or "silent" if nobody voted: arena.panels.attacks.trials.AttackOutcome
    outcome = models.CharField(max_length=10)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [
            models.Index(fields=["judge", "created_at"], name="attack_trial_of_judge"),
            models.Index(fields=["space", "created_at"], name="attack_trial_of_space"),
        ]

    def __str__(self) -> str:
        return f"{self.attack} on {self.judge_id or self.space_id}"


class BountyStatus(models.TextChoices):
    """What became of a submission."""

    WAITING = "waiting"
    WON = "won"
    LOST = "lost"
    RETURNED = "returned"  # the judge could not be asked: the fee goes back


class Bounty(models.Model):
    """A text with which a person tries to fool a judge, for a fee and perhaps a prize."""

    # Chosen by the form, so that a double click submits once; it is the id of the fee's hold.
    hold_id = models.UUIDField(unique=True, editable=False)
    user = models.ForeignKey("agents.User", on_delete=models.PROTECT, related_name="bounties")
    judge = models.ForeignKey("judges.Judge", on_delete=models.PROTECT, related_name="bounties")
    template = models.TextField()  # the attack; {prompt} stands for what was asked
    status = models.CharField(
        max_length=10, choices=BountyStatus.choices, default=BountyStatus.WAITING
    )
    fee_credits = models.PositiveIntegerField()
    prize_credits = models.PositiveIntegerField()  # as announced; paid if it won
    tries = models.PositiveSmallIntegerField(default=0)  # in which the judge voted
    fooled = models.PositiveSmallIntegerField(default=0)  # of these
    attempts = models.PositiveSmallIntegerField(default=0)  # times a worker took it up
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "bounties"
        indexes = [
            models.Index(fields=["judge", "status"], name="bounty_of_judge"),
            models.Index(fields=["user", "created_at"], name="bounty_of_user"),
            models.Index(fields=["id"], condition=Q(status="waiting"), name="bounty_waiting"),
        ]

    def __str__(self) -> str:
        return f"bounty {self.pk}"
