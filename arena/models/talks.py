"""Talks: a person asks a version of their own, outside of any match. Nothing that is said is stored."""

from django.db import models


class Talk(models.Model):
    """An answer that is being given, with what is set aside to pay for it; deleted when it ends."""

    id = models.UUIDField(primary_key=True, editable=False)  # also of the hold
    user = models.ForeignKey("agents.User", on_delete=models.PROTECT, related_name="+")
    # Of the tokens that were paid for earlier; see TalkTab.
    set_aside_tokens = models.PositiveIntegerField()
    held_units = models.PositiveSmallIntegerField()  # of arena.talks.price.TOKENS_A_UNIT
    unit_credits = models.PositiveIntegerField()  # 0: talking was free when it began
    # Renewed while the answer comes; a process that dies leaves it to the sweep.
    lease_expires_at = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["lease_expires_at"], name="talk_stale")]

    def __str__(self) -> str:
        return f"talk {self.pk}"


class TalkTab(models.Model):
    """Tokens that a person has paid for and not yet used: credits are whole, answers are short."""

    user = models.OneToOneField(
        "agents.User", on_delete=models.PROTECT, primary_key=True, related_name="+"
    )
    paid_tokens = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"tab of {self.user_id}"
