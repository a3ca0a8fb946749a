"""Seasons: months of a Space, whose best are paid from what the arena took there."""

from django.db import models
from django.db.models import F, Q

from arena.states import INTERVAL_SIGMAS

# The best first, by the lower end of the rating's interval.
BEST_OF_SEASON = ((F("mu") - INTERVAL_SIGMAS * F("sigma")).desc(), F("agent"))


class Season(models.Model):
    """A month of one Space, from its first settled match on; closed once its prizes are paid."""

    space = models.ForeignKey("arena.Space", on_delete=models.PROTECT, related_name="seasons")
    month = models.DateField()  # its first day, in UTC
    rake_credits = models.PositiveBigIntegerField(default=0)  # of its matches
    pot_credits = models.PositiveBigIntegerField(default=0)  # paid when it closed
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["space", "month"], name="season_once_a_month"),
        ]
        indexes = [
            models.Index(fields=["month"], condition=Q(closed_at=None), name="season_open"),
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m} of {self.space_id}"


class SeasonPlace(models.Model):
    """An agent in a season: its rating after its last match of the month, and what it won."""

    season = models.ForeignKey(Season, on_delete=models.PROTECT, related_name="places")
    agent = models.ForeignKey(
        "agents.Agent", on_delete=models.PROTECT, related_name="season_places"
    )
    match_count = models.PositiveIntegerField(default=0)
    mu = models.FloatField()
    sigma = models.FloatField()
    place = models.PositiveSmallIntegerField(null=True, blank=True)  # of those that were paid
    prize_credits = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["season", "agent"], name="season_place_once"),
        ]
        indexes = [models.Index(F("season"), *BEST_OF_SEASON, name="season_place_best")]

    def __str__(self) -> str:
        return f"{self.agent_id} in season {self.season_id}"
