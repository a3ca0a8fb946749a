"""Ratings with their uncertainty, per agent and Space and over all (Weng & Lin 2011, Plackett-Luce)."""

from django.db import models
from django.db.models import Case, F, Q, When

from agents.models import Agent
from arena.states import INTERVAL_SIGMAS

PROVISIONAL_MATCHES = 10  # of one agent; before, its rating is ranked below all others
# Best first: the order of a leaderboard, which its indexes share. Whoever's interval lies above
# another's comes before it, so that a page's ranks follow from the lines up to its last one.
BEST_FIRST = (
    Case(When(match_count__lt=PROVISIONAL_MATCHES, then=True), default=False),
    (F("mu") - INTERVAL_SIGMAS * F("sigma")).desc(),
    F("agent"),
)


class Belief(models.Model):
    """A belief about one agent's skill: a normal with mean mu and deviation sigma."""

    agent: models.ForeignKey[Agent]
    agent_id: int
    mu = models.FloatField()
    sigma = models.FloatField()
    # With which it played last; another one widens the belief. Null: rated before this was noted.
    version = models.ForeignKey(
        "agents.AgentVersion", on_delete=models.PROTECT, null=True, related_name="+"
    )
    match_count = models.PositiveIntegerField(default=0)
    win_count = models.PositiveIntegerField(default=0)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.mu:.1f} ± {self.sigma:.1f}"


class Rating(Belief):
    """The belief about an agent in one Space."""

    agent = models.ForeignKey("agents.Agent", on_delete=models.PROTECT, related_name="ratings")
    space = models.ForeignKey("arena.Space", on_delete=models.PROTECT, related_name="ratings")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["agent", "space"], name="rating_once_a_space"),
        ]
        indexes = [
            models.Index(
                F("space"), *BEST_FIRST, condition=Q(match_count__gt=0), name="rating_best_of_space"
            ),
        ]


class OverallRating(Belief):
    """The belief about an agent over all Spaces, from each of its matches."""

    agent = models.OneToOneField(
        "agents.Agent", on_delete=models.PROTECT, related_name="overall_rating"
    )

    class Meta:
        indexes = [
            models.Index(*BEST_FIRST, condition=Q(match_count__gt=0), name="overall_best"),
        ]


class RatingChange(models.Model):
    """What one match did to one rating."""

    seat = models.OneToOneField(
        "arena.Seat", on_delete=models.PROTECT, related_name="rating_change"
    )
    mu_before = models.FloatField()
    sigma_before = models.FloatField()
    # From which the match started, since a new version played; null: the version was the last one.
    widened_sigma = models.FloatField(null=True)
    mu_after = models.FloatField()
    sigma_after = models.FloatField()
    # What opponents whom the owner meets often, or whose owners are new, counted; 1: all in full.
    weight = models.FloatField(default=1.0, db_default=1.0)
    # Of the rating over all Spaces; null: from before there was one.
    overall_mu_before = models.FloatField(null=True)
    overall_mu_after = models.FloatField(null=True)
    # Mean length of the seat's answers in the match; null: not noted then, or it gave none.
    answer_chars = models.FloatField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.mu_before:.1f} -> {self.mu_after:.1f}"
