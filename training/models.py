"""Preference pairs made from verdicts, the runs that learn from them, and exports of them."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from arena.states import CUT_OFF
from training.methods import DEFAULT
from training.states import UPLOAD, ExportState, PairSource, RunStatus


class Harvest(models.Model):
    """Marks a settled match whose pairs have been made, so that they are made once."""

    match = models.OneToOneField("arena.Match", on_delete=models.PROTECT, related_name="harvest")
    pair_count = models.PositiveIntegerField()
    problem = models.TextField(blank=True, db_default="")  # why pairs are missing for good
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"harvest of match {self.match_id}"


class HarvestDelay(models.Model):
    """A settled match whose pairs could not be made yet; gone once they are, or are given up."""

    match = models.OneToOneField(
        "arena.Match", on_delete=models.PROTECT, related_name="harvest_delay"
    )
    attempts = models.PositiveSmallIntegerField(default=0)  # that failed
    due_at = models.DateTimeField()  # not tried before
    problem = models.TextField()  # of the last attempt, a sentence

    def __str__(self) -> str:
        return f"delayed harvest of match {self.match_id}"


class Pair(models.Model):
    """One preference of one agent: its own prompt, the better and the worse answer."""

    agent = models.ForeignKey("agents.Agent", on_delete=models.PROTECT, related_name="pairs")
    space = models.ForeignKey("arena.Space", on_delete=models.PROTECT, related_name="pairs")
    round = models.ForeignKey("arena.Round", on_delete=models.PROTECT, related_name="pairs")
    chosen = models.ForeignKey(
        "arena.Completion", on_delete=models.PROTECT, related_name="pairs_won"
    )
    rejected = models.ForeignKey(
        "arena.Completion", on_delete=models.PROTECT, related_name="pairs_lost"
    )
    source = models.CharField(max_length=12, choices=[(s.value, s.value) for s in PairSource])
    margin = models.FloatField()  # difference of the verdict's scores, (0, 1]
    agreement = models.FloatField()  # share of the panel that prefers the chosen answer, (0.5, 1]
    # In tokens; 0: the pair is older than this record.
    chosen_length = models.PositiveIntegerField(default=0, db_default=0)
    rejected_length = models.PositiveIntegerField(default=0, db_default=0)
    # How much oftener its judges preferred the longer answer than is right, when the pair was made;
    # on how many comparisons that rests, 0: not known. See training.data.lengths.
    length_bias = models.FloatField(default=0.0, db_default=0.0)
    length_bias_pairs = models.PositiveIntegerField(default=0, db_default=0)
    # Whether the base of whoever gave the answer reads its text as it was sampled, see
    # training.data.reading; null: its tokenizer was not there when the pair was made.
    chosen_reads = models.BooleanField(null=True, editable=False)
    rejected_reads = models.BooleanField(null=True, editable=False)
    # What selections for export ask of a pair, which a trigger notes: training_describe_pair.
    prompt_key = models.UUIDField(null=True, editable=False)  # same task or position, same key
    answers_key = models.UUIDField(null=True, editable=False)  # and the same two texts
    is_cut = models.BooleanField(default=False, db_default=False, editable=False)  # the worse one
    is_verified = models.BooleanField(default=False, db_default=False, editable=False)  # by code
    # A task of a split that agents must not learn from; no match should have asked it.
    is_held_out = models.BooleanField(default=False, db_default=False, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["agent", "chosen", "rejected"], name="pair_unique"),
            models.CheckConstraint(condition=Q(margin__gt=0), name="pair_margin_positive"),
        ]
        indexes = [
            models.Index(fields=["agent", "space", "id"]),
            models.Index(fields=["prompt_key", "id"], name="pair_of_prompt"),
            models.Index(fields=["answers_key", "id"], name="pair_with_answers"),
        ]

    def __str__(self) -> str:
        return f"pair {self.pk}"


class PairCount(models.Model):
    """How many pairs an agent has from a Space, which no sweep or page could count one by one.

    Triggers of the migrations keep it, in the transaction that stores a pair or a run. Why:
    docs/decisions/kept-counts.md
    """

    agent = models.ForeignKey("agents.Agent", on_delete=models.CASCADE, related_name="+")
    space = models.ForeignKey("arena.Space", on_delete=models.CASCADE, related_name="+")
    pairs = models.PositiveIntegerField()
    # The highest TrainingRun.last_pair_id of the agent in the Space, whatever became of the run.
    last_spent_id = models.BigIntegerField()
    new_pairs = models.PositiveIntegerField()  # those after it

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["agent", "space"], name="pair_count_once_a_space"),
        ]
        indexes = [models.Index(fields=["new_pairs"])]

    def __str__(self) -> str:
        return f"{self.pairs} pairs of {self.agent_id} in {self.space_id}"


class TrainingRun(models.Model):
    """One attempt to improve an agent with its pairs from one Space, or with weights that were brought."""

    agent = models.ForeignKey("agents.Agent", on_delete=models.PROTECT, related_name="runs")
    space = models.ForeignKey("arena.Space", on_delete=models.PROTECT, related_name="runs")
    parent_version = models.ForeignKey(
        "agents.AgentVersion", on_delete=models.PROTECT, related_name="runs"
    )
    # Made when training ends; the agent's current version only if the run is adopted.
    child_version = models.OneToOneField(
        "agents.AgentVersion",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="made_by_run",
    )
    status = models.CharField(
        max_length=10,
        choices=[(s.value, s.value) for s in RunStatus],
        default=RunStatus.QUEUED,
    )
    method = models.CharField(max_length=10, default=DEFAULT)  # of training.methods, or UPLOAD
    config = models.JSONField()  # the method's config as a dict
    # Requested by its owner: comes before automatic runs among the same owner's runs.
    is_by_hand = models.BooleanField(default=False, db_default=False)
    # The requester's own key, so that a request that is sent again finds the run that it made. The
    # agent's lock keeps it unique.
    request_id = models.UUIDField(null=True, blank=True, editable=False)
    # Held when the run is queued; what becomes of it: training.runs.charges.
    price_credits = models.PositiveIntegerField(default=0, db_default=0)
    # Answers shown over all epochs, which the price is for. 0: queued before this was kept.
    priced_answers = models.PositiveIntegerField(default=0, db_default=0)
    # Pairs up to and including this id are spent: the next run counts from here.
    last_pair_id = models.BigIntegerField()
    pair_count = models.PositiveIntegerField()
    # Written before the first step: digests of pairs, config, seed, parent, base, packages.
    manifest = models.JSONField(default=dict)
    manifest_digest = models.CharField(max_length=64, blank=True)
    # {"step", "steps", "seconds", "remaining_seconds"}
    progress = models.JSONField(default=dict)
    # Practice and gate on the inference servers; with the training seconds it decides the turns.
    served_seconds = models.FloatField(default=0.0, db_default=0.0)
    # [{"step", "loss", "reward_margin", "accuracy", "grad_norm", "tokens_per_second"}, ...]
    curve = models.JSONField(default=list)
    # The gate's mix of difficulties, fixed from the beginning: the dataset keeps out what it asks.
    exam_weights = models.JSONField(default=list, db_default=[], blank=True)
    # Empty until the gate has decided; see training.gate.record.GateRecord.as_json.
    gate = models.JSONField(default=dict)
    reason = models.TextField(blank=True)  # a sentence for the owner
    # Claims in a row without progress.
    attempts = models.PositiveSmallIntegerField(default=0)
    # Since when every try has met an outage of the inference server or the disk.
    outage_since = models.DateTimeField(null=True, blank=True)
    lease_owner = models.UUIDField(null=True, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    # When its practice answers and the last of its files were deleted; see training.retention.runs.
    collected_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["agent"],
                condition=Q(status__in=["queued", "training", "evaluating", "paused"]),
                name="run_one_unfinished_per_agent",
            ),
        ]
        indexes = [models.Index(fields=["status", "lease_expires_at"])]

    def __str__(self) -> str:
        return f"run {self.pk}"

    @property
    def is_upload(self) -> bool:
        """Whether nothing trains: its version was brought by the owner."""
        return self.method == UPLOAD


class Rollout(models.Model):
    """A practice answer, sampled from a run's parent version on a task that the agent has played.

    Of a practised episode, a row is one try of a seat to move, in the order of `index`.
    """

    run = models.ForeignKey(TrainingRun, on_delete=models.PROTECT, related_name="rollouts")
    version = models.ForeignKey(
        "agents.AgentVersion", on_delete=models.PROTECT, related_name="rollouts"
    )
    round = models.ForeignKey("arena.Round", on_delete=models.PROTECT, related_name="rollouts")
    # The run's episodes from the round's opening, from 1; 0: an answer to a task.
    episode = models.PositiveSmallIntegerField(default=0, db_default=0)
    # Among the answers to one task in one run, or the tries of all seats in one episode; from 0.
    index = models.PositiveSmallIntegerField()
    seat = models.PositiveSmallIntegerField(default=0, db_default=0)  # in the episode: who is first
    # False: a try of an opponent, which may be an earlier version of the agent. It teaches nothing.
    is_own = models.BooleanField(default=True, db_default=True)
    text = models.TextField(blank=True)
    prompt_token_ids = ArrayField(models.IntegerField())
    token_ids = ArrayField(models.IntegerField())
    # Natural logarithms under the sampling policy, one per token.
    logprobs = ArrayField(models.FloatField())
    allowed_token_ids = models.JSONField(default=list, db_default=[])  # as in arena.Completion
    finish_reason = models.CharField(max_length=20)
    adapter_digest = models.CharField(max_length=64, blank=True)  # empty: the plain base
    sampling = models.JSONField()
    # The panel's score among the group's answers, [0, 1]; null: not judged (yet).
    score = models.FloatField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["run", "round", "episode", "index"], name="rollout_once_a_try"
            ),
        ]

    def __str__(self) -> str:
        return f"rollout {self.pk}"

    @property
    def is_cut(self) -> bool:
        return self.finish_reason == CUT_OFF


class RehearsalText(models.Model):
    """A prompt that a plain base made up, and the first tokens of its answer."""

    base_model = models.ForeignKey(
        "agents.BaseModel", on_delete=models.PROTECT, related_name="rehearsal_texts"
    )
    prompt = models.TextField()
    token_ids = ArrayField(models.IntegerField())  # of the answer, as sampled
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"rehearsal text {self.pk}"


class Export(models.Model):
    """A dataset that its owner ordered: what is in it, how far it is written, and its files.

    The row is the queue of the export workers; see training.exports.writing.
    """

    owner = models.ForeignKey("agents.User", on_delete=models.PROTECT, related_name="exports")
    # The requester's own key, so that a request that is sent again finds the export that it made.
    request_id = models.UUIDField(editable=False)
    selection = models.JSONField()  # training.exports.selection.Selection.as_json
    format = models.CharField(max_length=20)  # of training.exports.formats.FORMATS
    container = models.CharField(max_length=10)  # of training.exports.formats.container.Container
    state = models.CharField(
        max_length=10,
        choices=[(s.value, s.value) for s in ExportState],
        default=ExportState.WAITING,
    )
    up_to_id = models.BigIntegerField()  # what came after the order is not in it
    after_id = models.BigIntegerField(default=0)  # up to it, everything is in whole files
    rows_written = models.PositiveBigIntegerField(default=0)  # also those of the file in progress
    rows_estimated = models.PositiveBigIntegerField(null=True, blank=True)  # null: not counted yet
    # [{"name", "rows", "bytes", "sha256"}], whole files in the order in which they were written
    files = models.JSONField(default=list)
    size_bytes = models.PositiveBigIntegerField(default=0)
    tally = models.JSONField(default=dict)  # what the card counts: training.exports.formats.tally
    manifest = models.JSONField(default=dict)  # once it is whole
    reason = models.TextField(blank=True)  # why it failed or has to wait, a sentence
    attempts = models.PositiveSmallIntegerField(default=0)  # in a row without a new file
    lease_owner = models.UUIDField(null=True, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    turn_at = models.DateTimeField(auto_now_add=True)  # whose file is next: the longest ago
    finished_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)  # of the files

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["owner", "request_id"], name="export_once_a_request"),
        ]
        indexes = [
            models.Index(fields=["owner", "-id"], name="export_newest_of_owner"),
            models.Index(
                fields=["turn_at"],
                condition=Q(state__in=["waiting", "writing"]),
                name="export_waiting",
            ),
            models.Index(fields=["expires_at"], condition=Q(state="whole"), name="export_expiring"),
        ]

    def __str__(self) -> str:
        return f"export {self.pk}"


class Collected(models.Model):
    """How far one kind of thing has been collected, and what that freed; see training.retention."""

    kind = models.CharField(max_length=40, unique=True)
    up_to_id = models.BigIntegerField(default=0)  # of rows that are done in the order of their ids
    looked_at = models.DateTimeField(null=True)
    # In all, and the last time that there was something.
    count = models.BigIntegerField(default=0)
    size_bytes = models.BigIntegerField(default=0)
    last_at = models.DateTimeField(null=True)
    last_count = models.BigIntegerField(default=0)
    last_size_bytes = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return self.kind
