"""Spaces and entries into them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from agents.tokens import prompt_room
from arena.environments import ENVIRONMENTS
from arena.environments.asking import exchange_tokens, problem_with_restricting
from arena.environments.base import Environment, EnvironmentFault
from arena.states import DataLicence, PrizeRule
from judges.models import Judge

MAX_FEE_CREDITS = 10_000
MAX_FEES = 5  # at which one Space can be entered
LEAST_PROMPT_TOKENS = 256  # that tasks and answers leave for the prompts of all agents of a base


class SpaceStatus(StrEnum):
    """Whether a Space takes entries."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True)
class Terms:
    """How a pool is shared. Entries keep the terms that they were made under."""

    rake_percent: int
    prize_rule: PrizeRule
    prize_percents: tuple[int, ...]

    @property
    def stamp(self) -> str:
        """For forms, which tell with it what the user was shown."""
        return f"{self.rake_percent} {self.prize_rule} {'-'.join(map(str, self.prize_percents))}"

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"prize_percents": list(self.prize_percents)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(
            rake_percent=stored["rake_percent"],
            prize_rule=PrizeRule(stored.get("prize_rule", PrizeRule.PLACES)),
            prize_percents=tuple(stored["prize_percents"]),
        )


def free_tier() -> list[int]:
    return [0]


class Space(models.Model):
    """A standing competition: an environment, a panel, a fee and a way to share the pool."""

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=80)
    summary = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    # One of the pictures in frontend/templates/parts/space_icon.html; others show the general one.
    icon = models.CharField(max_length=20, blank=True, db_default="")
    environment = models.CharField(max_length=100)  # a key of arena.environments.ENVIRONMENTS
    base_model = models.ForeignKey(
        "agents.BaseModel", on_delete=models.PROTECT, related_name="spaces"
    )
    status = models.CharField(
        max_length=10,
        choices=[(s.value, s.value) for s in SpaceStatus],
        default=SpaceStatus.OPEN,
    )
    # [{"judge": slug, "weight": float}]
    panel = models.JSONField()
    # What of it a match is held to stands in its first event.
    panel_size = models.PositiveSmallIntegerField(
        default=0,
        db_default=0,
        help_text="How many of the panel judge a round, drawn once its answers are there; 0: all.",
    )
    least_agreement = models.FloatField(
        default=0.0,
        db_default=0.0,
        help_text="Krippendorff's alpha of a round's judges, from 0 to 1, below which its seats "
        "share the points as in a tie and nobody learns from it; 0: any agreement is enough.",
    )
    excludes_same_base = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Whether judges that run on the agents' own base model stay out of the panel: "
        "models prefer what they would have said themselves.",
    )
    entry_fee_credits = models.PositiveIntegerField()
    # Who pays one fee never meets who pays another.
    other_fees_credits = models.JSONField(
        default=free_tier,
        db_default=[0],
        blank=True,
        help_text="Other fees at which one may enter, as a list; 0 is free and pays no prize. "
        "Entries that wait keep the fee, the rake and the prizes that they entered under.",
    )
    seat_count = models.PositiveSmallIntegerField(default=4)
    round_count = models.PositiveSmallIntegerField(default=6)
    # Rounds are independent tasks. Several at once fill the inference server's batch, so a match
    # ends sooner; one at a time is easier to follow.
    rounds_at_once = models.PositiveSmallIntegerField(default=1, db_default=1)
    max_tokens = models.PositiveSmallIntegerField(default=96)
    rake_percent = models.PositiveSmallIntegerField(default=10)
    prize_rule = models.CharField(
        max_length=12,
        choices=[
            (PrizeRule.WINNER, "The winner takes all"),
            (PrizeRule.PLACES, "Percents for each place"),
            (PrizeRule.SCORE, "In proportion to the points"),
            (PrizeRule.DUEL, "A duel: the loser pays the winner"),
            (PrizeRule.COOPERATIVE, "Together: everybody alike, the less rake the more is reached"),
        ],
        default=PrizeRule.PLACES,
        db_default=PrizeRule.PLACES,
        help_text="How the pool is shared. Matches that have been made keep their rule.",
    )
    # Percent of the pool by rank, first place first; sums to 100. For one of the rules.
    prize_percents = models.JSONField()
    # Seconds an entry waits for other people before house agents fill the seats.
    house_fill_seconds = models.PositiveSmallIntegerField(default=3)
    # The sequential mode: an agent sits out while one of its training runs is under way. Otherwise
    # play never waits for training.
    waits_for_training = models.BooleanField(default=False, db_default=False)
    has_coded_seats = models.BooleanField(
        default=True,
        db_default=True,
        help_text="Whether one of the seats that the house fills may be an agent that answers by "
        "code. It shows what is possible and teaches the rules fast; without it, models teach each "
        "other, and their answers stay longer.",  # docs/decisions/coded-teacher.md
    )
    # Why they may: docs/decisions/pair-curation.md
    pairs_from_cut_answers = models.BooleanField(
        default=True,
        db_default=True,
        help_text="Whether an answer that was cut off at the maximum length may be the worse one "
        "of a training pair. It is never the better one.",
    )
    restricts_moves = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Whether seats choose among the legal moves only, so that even a small model "
        "never makes an illegal one. Agents then learn which move to make, but not how to write "
        "one down: elsewhere they may still answer with an illegal one.",
    )
    # The default says what everybody who opens a match's page may read anyway.
    data_licence = models.CharField(
        max_length=20,
        blank=True,
        choices=[
            (DataLicence.NONE, "None: answers are no public data"),
            (DataLicence.CC0, "CC0 1.0"),
            (DataLicence.CC_BY, "CC BY 4.0"),
            (DataLicence.CC_BY_SA, "CC BY-SA 4.0"),
        ],
        default=DataLicence.CC_BY,
        db_default=DataLicence.CC_BY,
        help_text="Under which licence anybody may export the answers of matches. Another licence "
        "holds for matches that are entered from then on; those before leave the public data.",
    )
    # When data_licence changed last, which a trigger notes.
    data_licence_since = models.DateTimeField(
        default=timezone.now, db_default=Now(), editable=False
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(rake_percent__lte=50), name="space_rake_bounded"),
            models.CheckConstraint(
                condition=Q(seat_count__gte=2, seat_count__lte=8), name="space_seats_bounded"
            ),
            models.CheckConstraint(
                condition=Q(round_count__gte=1, round_count__lte=20),
                name="space_rounds_bounded",
            ),
            models.CheckConstraint(
                condition=Q(rounds_at_once__gte=1, rounds_at_once__lte=20),
                name="space_rounds_at_once_bounded",
            ),
            models.CheckConstraint(
                condition=Q(least_agreement__gte=0, least_agreement__lte=1),
                name="space_least_agreement_bounded",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def fees_credits(self) -> tuple[int, ...]:
        """Every fee at which one may enter, the lowest first."""
        return tuple(sorted({self.entry_fee_credits, *self.other_fees_credits}))

    @property
    def terms(self) -> Terms:
        """Those of the entries that are made now."""
        return Terms(self.rake_percent, PrizeRule(self.prize_rule), tuple(self.prize_percents))

    def clean(self) -> None:
        """Let forms check what would otherwise break matches."""
        problems = {}
        if unknown := ENVIRONMENTS.problem_with(self.environment):
            problems["environment"] = unknown
        else:
            try:
                environment = ENVIRONMENTS[self.environment]
                if self.restricts_moves and (problem := problem_with_restricting(environment)):
                    problems["restricts_moves"] = problem
                if self.seat_count not in environment.seats:
                    fewest, most = environment.seats.fewest, environment.seats.most
                    problems["seat_count"] = (
                        f"{environment.name} is played by {fewest} to {most} seats."
                    )
                if problem := self._problem_with_lengths(environment):
                    problems["max_tokens"] = problem
            except EnvironmentFault as fault:
                problems["environment"] = str(fault)
        if not _is_panel(self.panel):
            problems["panel"] = 'A list like [{"judge": "code", "weight": 1.0}].'
        elif problem := _problem_with_judges([each["judge"] for each in self.panel]):
            problems["panel"] = problem
        elif self.panel_size > len(self.panel):
            problems["panel_size"] = f"The panel has only {len(self.panel)} to draw from."
        if not 0 <= self.least_agreement <= 1:
            problems["least_agreement"] = "A number from 0 to 1."
        if self.prize_rule == PrizeRule.DUEL and self.seat_count != 2:
            problems["prize_rule"] = "A duel is between 2 seats."
        if not _are_fees(self.other_fees_credits):
            problems["other_fees_credits"] = (
                f"A list of at most {MAX_FEES - 1} whole numbers from 0 to {MAX_FEE_CREDITS:,}."
            )
        if not _are_percents(self.prize_percents):
            problems["prize_percents"] = "A list of whole numbers that add up to 100."
        if problems:
            raise ValidationError(problems)

    def _problem_with_lengths(self, environment: Environment) -> str:
        """A sentence if a task and an answer fill the base model's context; else empty."""
        if not (self.base_model_id and self.max_tokens):  # a form says so itself
            return ""
        needed = exchange_tokens(environment, max_tokens=self.max_tokens)
        if prompt_room(self.base_model, exchange_tokens=needed) >= LEAST_PROMPT_TOKENS:
            return ""
        return (
            f"A task of {environment.name} and an answer take up to {needed:,} of the "
            f"{self.base_model.context_tokens:,} tokens of {self.base_model.name}; "
            f"{LEAST_PROMPT_TOKENS} must be left for an agent's prompt."
        )


def _is_panel(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(
            isinstance(each, dict)
            and isinstance(each.get("judge"), str)
            and isinstance(each.get("weight"), int | float)
            and 0 < each["weight"] <= 100
            for each in value
        )
    )


def _problem_with_judges(slugs: list[str]) -> str:
    """A sentence; empty if every judge exists and is named once."""
    known = set(Judge.objects.values_list("slug", flat=True))
    if unknown := sorted(set(slugs) - known):
        return f"There is no judge {unknown[0]!r}; choose from {', '.join(sorted(known))}."
    return "Each judge votes once: name each only once." if len(set(slugs)) < len(slugs) else ""


def _are_fees(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) < MAX_FEES
        and all(type(each) is int and 0 <= each <= MAX_FEE_CREDITS for each in value)
    )


def _are_percents(value: object) -> bool:
    return (
        isinstance(value, list)
        and all(type(each) is int and each >= 0 for each in value)
        and sum(value) == 100
    )


class SpaceCount(models.Model):
    """How many matches of a Space were settled, which no page could count one by one.

    Triggers of the migrations keep it: a settled match stays settled and is never deleted.
    """

    space = models.OneToOneField(Space, on_delete=models.CASCADE, related_name="+")
    settled_matches = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"{self.settled_matches} matches in {self.space_id}"


class EntryStatus(StrEnum):
    """queued -> seated -> finished, or queued/seated -> cancelled (refunded)."""

    QUEUED = "queued"
    SEATED = "seated"
    FINISHED = "finished"
    CANCELLED = "cancelled"


LIVE_ENTRY_STATUSES = frozenset({EntryStatus.QUEUED, EntryStatus.SEATED})


class Entry(models.Model):
    """An agent's paid entry to play one match in a Space. Its id doubles as the hold's id."""

    # Chosen by the client (a hidden form field), so that a double click or a replay enters once.
    id = models.UUIDField(primary_key=True, editable=False)
    space = models.ForeignKey(Space, on_delete=models.PROTECT, related_name="entries")
    agent = models.ForeignKey("agents.Agent", on_delete=models.PROTECT, related_name="entries")
    user = models.ForeignKey("agents.User", on_delete=models.PROTECT, related_name="entries")
    fee_credits = models.PositiveIntegerField()
    # By Terms.as_json; empty: those that its Space has when it is seated.
    terms = models.JSONField(default=dict, db_default={})
    status = models.CharField(
        max_length=10,
        choices=[(s.value, s.value) for s in EntryStatus],
        default=EntryStatus.QUEUED,
    )
    match = models.ForeignKey(
        "arena.Match", on_delete=models.PROTECT, null=True, blank=True, related_name="entries"
    )
    cancel_reason = models.CharField(max_length=200, blank=True)
    # Which autopilot entered; null: the owner did.
    autopilot = models.ForeignKey(
        "arena.Autopilot",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="entries",
    )
    # The part of the house's stake in the match that counts for this entry's owner.
    house_stake_credits = models.PositiveIntegerField(default=0, db_default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "entries"
        constraints = [
            models.UniqueConstraint(
                fields=["agent"],
                condition=Q(status__in=["queued", "seated"]),
                name="entry_one_live_per_agent",
            ),
        ]
        indexes = [
            models.Index(fields=["space", "status", "created_at"]),
            # What an autopilot has done is counted from its entries.
            models.Index(
                fields=["autopilot", "created_at"],
                condition=Q(autopilot__isnull=False),
                name="entry_of_autopilot",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.agent_id} in {self.space_id}"

    def terms_in(self, space: Space) -> Terms:
        """What its match is settled by, whatever the Space's terms are by then."""
        return Terms.from_json(self.terms) if self.terms else space.terms
