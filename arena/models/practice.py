"""Practice matches: an agent against the house, free and without consequences."""

from django.db import models


class PracticeMatch(models.Model):
    """Who asked for a match against the house, to try an agent. Nothing follows from such a match.

    The database refuses fees, prizes, pairs and ratings of one: arena/migrations/0041_practice_matches.py
    """

    # Chosen by the client, so that a double click or a replay practises once.
    id = models.UUIDField(primary_key=True, editable=False)
    match = models.OneToOneField(
        "arena.Match", on_delete=models.PROTECT, related_name="practice_match"
    )
    agent = models.ForeignKey("agents.Agent", on_delete=models.PROTECT, related_name="+")
    user = models.ForeignKey("agents.User", on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "practice matches"
        # How many a person has had today.
        indexes = [models.Index(fields=["user", "created_at"], name="practice_of_user")]

    def __str__(self) -> str:
        return f"practice of {self.agent_id} in match {self.match_id}"
