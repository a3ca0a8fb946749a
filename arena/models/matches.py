"""A match is its events; the other rows here are projections and the bulky content."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from arena.states import CUT_OFF, CompletionStatus, MatchStatus, RoundStatus


class Match(models.Model):
    """Projection of the match's events, and the lease of the worker that plays it."""

    space = models.ForeignKey("arena.Space", on_delete=models.PROTECT, related_name="matches")
    status = models.CharField(
        max_length=10,
        choices=[(s.value, s.value) for s in MatchStatus],
        default=MatchStatus.SEATED,
    )
    seq = models.PositiveIntegerField(default=0)  # of the last event
    head_digest = models.CharField(max_length=64, blank=True)  # of the last event
    round_count = models.PositiveSmallIntegerField()
    attempts = models.PositiveSmallIntegerField(default=0)  # times a worker picked it up
    lease_owner = models.UUIDField(null=True, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    # Whether the pairs of a settled match have been made: arena.matches.claiming has the verbs.
    is_harvested = models.BooleanField(default=False, db_default=False, editable=False)
    # Against the house, free and without consequences: arena.models.practice. Never changes.
    is_practice = models.BooleanField(default=False, db_default=False, editable=False)

    class Meta:
        verbose_name_plural = "matches"
        constraints = [
            models.CheckConstraint(
                condition=Q(is_practice=False) | Q(is_harvested=True),
                name="practice_gives_no_pairs",
            ),
        ]
        indexes = [
            models.Index(fields=["status", "lease_expires_at"]),
            models.Index(fields=["started_at"]),  # whose turn it is depends on the last hour
            models.Index(fields=["created_at"]),  # what the house stakes, on the last day
            models.Index(fields=["space", "id"], name="match_newest_of_space"),
            models.Index(
                fields=["id"],
                condition=Q(status=MatchStatus.SETTLED, is_harvested=False),
                name="match_not_harvested",
            ),
        ]

    def __str__(self) -> str:
        return f"match {self.pk}"


class Seat(models.Model):
    """One competitor in a match, with the version that plays it."""

    match = models.ForeignKey(Match, on_delete=models.PROTECT, related_name="seats")
    index = models.PositiveSmallIntegerField()
    agent = models.ForeignKey("agents.Agent", on_delete=models.PROTECT, related_name="seats")
    version = models.ForeignKey(
        "agents.AgentVersion", on_delete=models.PROTECT, related_name="seats"
    )
    entry = models.OneToOneField(
        "arena.Entry", on_delete=models.PROTECT, null=True, blank=True, related_name="seat"
    )  # null: a house seat, or one of a tournament or of practice
    # Set at settlement.
    rank = models.PositiveSmallIntegerField(null=True, blank=True)
    score = models.FloatField(null=True, blank=True)  # sum of the rounds' scores
    prize_credits = models.PositiveIntegerField(default=0)
    is_practice = models.BooleanField(
        default=False, db_default=False, editable=False
    )  # the match's

    class Meta:
        ordering = ["match_id", "index"]
        constraints = [
            models.CheckConstraint(
                condition=Q(is_practice=False) | Q(entry__isnull=True, prize_credits=0),
                name="practice_has_no_fee_and_no_prize",
            ),
            models.UniqueConstraint(fields=["match", "index"], name="seat_index_unique"),
            models.UniqueConstraint(fields=["match", "agent"], name="seat_agent_once_a_match"),
        ]
        indexes = [
            models.Index(fields=["agent", "match"], name="seat_newest_of_agent"),
            models.Index(
                fields=["version"],
                condition=Q(score__isnull=False, is_practice=False),
                name="seat_counted_of_version",
            ),
            models.Index(
                fields=["agent", "prize_credits"],
                condition=Q(prize_credits__gt=0),
                name="seat_prizes_of_agent",
            ),
        ]

    def __str__(self) -> str:
        return f"seat {self.index} of match {self.match_id}"


class MatchEvent(models.Model):
    """Append-only and hash-chained. A trigger refuses UPDATE and DELETE."""

    match = models.ForeignKey(Match, on_delete=models.PROTECT, related_name="events")
    seq = models.PositiveIntegerField()
    kind = models.CharField(max_length=40)
    payload = models.JSONField()
    previous_digest = models.CharField(max_length=64, blank=True)
    digest = models.CharField(max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["match_id", "seq"]
        constraints = [
            models.UniqueConstraint(fields=["match", "seq"], name="event_seq_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.match_id}:{self.seq}"


class Round(models.Model):
    """One task put to every seat, or one episode of a game."""

    match = models.ForeignKey(Match, on_delete=models.PROTECT, related_name="rounds")
    number = models.PositiveSmallIntegerField()  # from 1
    status = models.CharField(
        max_length=10,
        choices=[(s.value, s.value) for s in RoundStatus],
        default=RoundStatus.PLAYING,
    )
    task_key = models.CharField(max_length=64)  # digest of the task: same key, same task
    task_kind = models.CharField(max_length=60)
    task = models.JSONField()  # see arena.environments.base.Task
    # Turns of all seats together, at most; more than 1: the round is an episode.
    turn_limit = models.PositiveSmallIntegerField(default=1, db_default=1)
    view = models.JSONField(default=dict, db_default={})  # of the opening, by base.view_json
    judge_lease_expires_at = models.DateTimeField(null=True, blank=True)
    judge_attempts = models.PositiveSmallIntegerField(default=0, db_default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["match_id", "number"]
        constraints = [
            models.UniqueConstraint(fields=["match", "number"], name="round_number_unique"),
        ]
        indexes = [models.Index(fields=["task_key"])]  # the same task in other matches

    def __str__(self) -> str:
        return f"round {self.number} of match {self.match_id}"

    @property
    def is_episode(self) -> bool:
        return self.turn_limit > 1


class Completion(models.Model):
    """The one canonical record of an answer: judging, prizes, pairs and training read it.

    Of an episode, a row is one try of a seat to move, in the order of ids.
    """

    round = models.ForeignKey(Round, on_delete=models.PROTECT, related_name="completions")
    seat = models.ForeignKey(Seat, on_delete=models.PROTECT, related_name="completions")
    version = models.ForeignKey(
        "agents.AgentVersion", on_delete=models.PROTECT, related_name="completions"
    )
    turn = models.PositiveSmallIntegerField(default=0, db_default=0)  # of the seat in the round
    status = models.CharField(max_length=10, choices=[(s.value, s.value) for s in CompletionStatus])
    problem = models.CharField(max_length=300, blank=True, db_default="")  # why it is no legal move
    view = models.JSONField(default=dict, db_default={})  # of the position that it led to
    # Of a first try in an episode: {"position", "seat"} as rules know it, and a digest of what the
    # seat was told, by which the same decision is found in other matches.
    asked = models.JSONField(default=dict, db_default={})
    asked_key = models.CharField(max_length=64, blank=True, db_default="")
    error = models.CharField(max_length=300, blank=True)
    text = models.TextField(blank=True)
    messages = models.JSONField()  # what was asked: [{"role", "content"}]
    prompt_token_ids = ArrayField(models.IntegerField(), default=list)
    token_ids = ArrayField(models.IntegerField(), default=list)
    # Natural logarithms, one per token; empty if no model sampled it (code agents).
    logprobs = ArrayField(models.FloatField(), default=list)
    # Of a restricted answer: for each token the ids that were allowed in its place, over which its
    # log-probability is normalised. [] if any token was.
    allowed_token_ids = models.JSONField(default=list, db_default=[])
    # [[characters so far, seconds since the round's start], ...]: replay at the original pace
    chunk_times = models.JSONField(default=list)
    finish_reason = models.CharField(max_length=20, blank=True)
    adapter_digest = models.CharField(max_length=64, blank=True)  # empty: the plain base
    sampling = models.JSONField(default=dict)
    seconds = models.FloatField(default=0.0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["round_id", "seat_id", "turn"]
        constraints = [
            models.UniqueConstraint(
                fields=["round", "seat", "turn"], name="completion_once_a_turn"
            ),
        ]
        indexes = [
            models.Index(
                fields=["asked_key", "id"], condition=~Q(asked_key=""), name="completion_asked"
            ),
        ]

    def __str__(self) -> str:
        return f"completion {self.pk}"

    @property
    def is_cut(self) -> bool:
        return self.finish_reason == CUT_OFF
