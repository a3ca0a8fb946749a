"""Tournaments: what is announced, who is registered, and who meets whom."""

from datetime import datetime, timedelta

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from arena.environments import ENVIRONMENTS
from arena.environments.base import EnvironmentFault
from arena.models.spaces import Space
from arena.states import Outcome, TournamentFormat, TournamentStatus

SEATS = 2  # of each match
MOST_ENTRANTS = 64
LONGEST_WINDOW_MINUTES = 24 * 60


class TournamentTerms(models.Model):
    """What is agreed on before anybody registers; a schedule has it for each of its tournaments."""

    name = models.CharField(max_length=80)
    space = models.ForeignKey(Space, on_delete=models.PROTECT, related_name="%(class)ss")
    format = models.CharField(
        max_length=10, choices=[(each.value, each.value) for each in TournamentFormat]
    )
    window_minutes = models.PositiveSmallIntegerField(
        validators=[MinValueValidator(1), MaxValueValidator(LONGEST_WINDOW_MINUTES)],
        help_text="After so long, nobody is paired any more, and places are as they stand.",
    )
    fee_credits = models.PositiveIntegerField(default=0)
    rake_percent = models.PositiveSmallIntegerField(default=10, validators=[MaxValueValidator(50)])
    # Percent of the pot by place, first place first; sums to 100.
    prize_percents = models.JSONField()
    fewest_entrants = models.PositiveSmallIntegerField(
        default=2,
        validators=[MinValueValidator(2), MaxValueValidator(MOST_ENTRANTS)],
        help_text="With fewer, the tournament is cancelled and every fee returned.",
    )
    most_entrants = models.PositiveSmallIntegerField(
        default=MOST_ENTRANTS, validators=[MinValueValidator(2), MaxValueValidator(MOST_ENTRANTS)]
    )
    is_filled_by_house = models.BooleanField(
        default=True, help_text="Whether house agents fill up to the fewest entrants."
    )

    class Meta:
        abstract = True

    def clean(self) -> None:
        """Let forms check what would otherwise break a tournament."""
        problems = {}
        # A field that was refused is None here, and has its sentence already.
        if (self.fewest_entrants or 0) > (self.most_entrants or MOST_ENTRANTS):
            problems["most_entrants"] = "At least as many as the fewest entrants."
        percents = self.prize_percents
        is_list = isinstance(percents, list) and all(
            type(each) is int and each >= 0 for each in percents
        )
        if not is_list or sum(percents) != 100:
            problems["prize_percents"] = "A list of whole numbers that add up to 100."
        if self.space_id and (problem := _problem_with_space(self.space)):
            problems["space"] = problem
        if problems:
            raise ValidationError(problems)


def _problem_with_space(space: Space) -> str:
    if space.waits_for_training:
        return f"Matches of {space.name} wait for training, and a tournament cannot wait."
    try:
        environment = ENVIRONMENTS[space.environment]
        if SEATS not in environment.seats:
            return f"{environment.name} is not played by two, as the matches of tournaments are."
    except EnvironmentFault as fault:
        return str(fault)
    return ""


class TournamentSchedule(TournamentTerms):
    """A tournament that comes back every day at one local time."""

    slug = models.SlugField(unique=True)
    starts_at_local = models.TimeField()
    time_zone = models.CharField(max_length=63)  # as in the IANA database: "Europe/Berlin"
    is_active = models.BooleanField(default=True)

    def __str__(self) -> str:
        return self.slug


class Tournament(TournamentTerms):
    """One tournament. Its terms never change once it is announced."""

    starts_at = models.DateTimeField()
    status = models.CharField(
        max_length=10,
        choices=[(each.value, each.value) for each in TournamentStatus],
        default=TournamentStatus.ANNOUNCED,
    )
    note = models.CharField(max_length=200, blank=True)  # why it was cancelled, ended early, moved
    schedule = models.ForeignKey(
        TournamentSchedule,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="tournaments",
    )
    day = models.DateField(null=True, blank=True)  # of the schedule, in its time zone
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["schedule", "day"], name="tournament_once_a_day"),
            models.CheckConstraint(
                condition=Q(rake_percent__lte=50), name="tournament_rake_bounded"
            ),
            models.CheckConstraint(
                condition=Q(fewest_entrants__gte=2, most_entrants__lte=MOST_ENTRANTS),
                name="tournament_entrants_bounded",
            ),
        ]
        indexes = [models.Index(fields=["status", "starts_at"])]

    def __str__(self) -> str:
        return self.name

    @property
    def closes_at(self) -> datetime:
        """When the last pairing may be made."""
        return (self.started_at or self.starts_at) + timedelta(minutes=self.window_minutes)


class Registration(models.Model):
    """An agent's place in a tournament. Its id doubles as the hold's id."""

    # Chosen by the client (a hidden form field), so that a double click or a replay registers once.
    id = models.UUIDField(primary_key=True, editable=False)
    tournament = models.ForeignKey(
        Tournament, on_delete=models.PROTECT, related_name="registrations"
    )
    agent = models.ForeignKey("agents.Agent", on_delete=models.PROTECT, related_name="+")
    user = models.ForeignKey("agents.User", on_delete=models.PROTECT, related_name="+")
    fee_credits = models.PositiveIntegerField()  # 0 for a house agent that stakes nothing
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    withdrawn_reason = models.CharField(max_length=200, blank=True)
    seed = models.PositiveSmallIntegerField(null=True, blank=True)  # from the start on
    place = models.PositiveSmallIntegerField(null=True, blank=True)  # from the end on
    prize_credits = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tournament", "agent"],
                condition=Q(withdrawn_at=None),
                name="registration_once_per_agent",
            ),
            models.UniqueConstraint(fields=["tournament", "seed"], name="registration_seed_unique"),
            models.UniqueConstraint(
                fields=["tournament", "place"], name="registration_place_unique"
            ),
        ]
        indexes = [models.Index(fields=["user", "created_at"])]

    def __str__(self) -> str:
        return f"{self.agent_id} in tournament {self.tournament_id}"


class Pairing(models.Model):
    """A meeting of two entrants, and the match in which they play it."""

    tournament = models.ForeignKey(Tournament, on_delete=models.PROTECT, related_name="pairings")
    number = models.PositiveSmallIntegerField()  # from 0, in the order in which they were made
    round = models.PositiveSmallIntegerField()
    slot = models.PositiveSmallIntegerField()
    first = models.ForeignKey(Registration, on_delete=models.PROTECT, related_name="+")
    second = models.ForeignKey(
        Registration, on_delete=models.PROTECT, null=True, related_name="+"
    )  # null: a bye
    match = models.OneToOneField(
        "arena.Match", on_delete=models.PROTECT, null=True, related_name="pairing"
    )
    outcome = models.CharField(
        max_length=10, choices=[(each.value, each.value) for each in Outcome], default=Outcome.OPEN
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["tournament_id", "number"]
        constraints = [
            models.UniqueConstraint(fields=["tournament", "number"], name="pairing_number_unique"),
        ]

    def __str__(self) -> str:
        return f"pairing {self.number} of tournament {self.tournament_id}"
