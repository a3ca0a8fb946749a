"""Who competes: users, base models, agents, their immutable versions, and LoRA adapters."""

from enum import StrEnum
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower

from agents.adapters.lora import MAX_LORA_RANK
from agents.names import MAX_AGENT_NAME_CODE_POINTS, name_key, stored_form

# In a key: what follows belongs to a row that is older than the keys and has a namesake before it.
OLDER_THAN_KEYS = "\n"
MAX_PROBLEM_CHARS = 300


class NameKeyField(models.TextField):  # type: ignore[type-arg]
    """The key of the name in another column; a unique constraint over it keeps lookalikes out."""

    def __init__(self, *, of: str, **options: Any) -> None:
        self.of = of
        super().__init__(null=True, editable=False)

    def deconstruct(self) -> Any:
        name, path, _, _ = super().deconstruct()
        return name, path, [], {"of": self.of}

    def pre_save(self, model_instance: models.Model, add: bool) -> str:
        """The key of the name of now; the one stored stays if it is of this name."""
        key = name_key(getattr(model_instance, self.of))
        stored: str | None = getattr(model_instance, self.attname)
        if stored is not None and stored.partition(OLDER_THAN_KEYS)[0] == key:
            return stored
        setattr(model_instance, self.attname, key)
        return key


class User(AbstractUser):
    """A person, or the house (which owns the agents that fill empty seats)."""

    # Without Django's validator, which refuses marks and so most scripts of India: agents.names says
    # what is allowed. Older names stay as they are.
    username = models.CharField(
        max_length=150,
        unique=True,
        help_text="Letters, digits and any of . _ + ' -",
        error_messages={"unique": "That username is taken."},
    )
    username_key = NameKeyField(of="username")
    is_house = models.BooleanField(default=False, editable=False)
    # Asked to have the account deleted: nobody signs in any more; see agents.leaving.
    leaving_since = models.DateTimeField(null=True, blank=True, editable=False)
    left_at = models.DateTimeField(null=True, blank=True, editable=False)  # all is erased

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["username_key"], name="username_key_unique"),
            models.UniqueConstraint(Lower("username"), name="user_username_unique_ignoring_case"),
        ]
        indexes = [
            # A sweep looks for those who leave every few seconds.
            models.Index(
                fields=["leaving_since"],
                condition=models.Q(leaving_since__isnull=False, left_at__isnull=True),
                name="user_leaving",
            ),
        ]

    def __str__(self) -> str:
        return self.username

    @classmethod
    def normalize_username(cls, username: str) -> str:
        """As names are stored here; Django's own form would turn some letters into others."""
        return stored_form(username)


class ApiToken(models.Model):
    """Lets a program act for its user within the scopes; only the token's digest is kept."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=60)
    digest = models.CharField(max_length=64, unique=True)  # SHA-256 of the token
    beginning = models.CharField(max_length=12)  # what its owner recognises it by
    scopes = ArrayField(models.CharField(max_length=10))  # of agents.api_tokens.Scope
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["user", "-id"], name="api_token_of_user")]

    def __str__(self) -> str:
        return f"{self.beginning}\u2026"


class BaseModel(models.Model):
    """An open base model that the inference servers hold in memory; agents share it."""

    slug = models.SlugField(unique=True)
    # The name under which vLLM serves it; requests for agents without an adapter use it.
    served_name = models.CharField(max_length=200, unique=True)
    name = models.CharField(max_length=200)
    # Folder with config, tokenizer and safetensors on the machine that registered it; each machine
    # has its own, see `folder`. Empty: served only.
    path = models.CharField(max_length=500, blank=True)
    context_tokens = models.PositiveIntegerField(default=2048)
    # The largest rank of an adapter that its servers take (--max-lora-rank).
    max_lora_rank = models.PositiveSmallIntegerField(
        default=MAX_LORA_RANK, db_default=MAX_LORA_RANK
    )
    is_active = models.BooleanField(default=True)

    def __str__(self) -> str:
        return self.name

    @property
    def folder(self) -> Path | None:
        """What trainers load, where this machine keeps it; None: served only."""
        if not self.path:
            return None
        is_configured = self.served_name == settings.ENV.base_model
        return Path(settings.BASE_MODEL_PATH if is_configured else self.path)


class InferenceServer(models.Model):
    """A server of one base model, and what it answered when it was last asked for its abilities.

    Those of VLLM_URL have a row as well, which only keeps what they answered.
    """

    base_model = models.ForeignKey(BaseModel, on_delete=models.PROTECT, related_name="servers")
    url = models.CharField(max_length=300, unique=True)
    is_shared = models.BooleanField(default=False, editable=False)  # of VLLM_URL
    version = models.CharField(max_length=60, blank=True)
    context_tokens = models.PositiveIntegerField(null=True, blank=True)
    problem = models.CharField(max_length=MAX_PROBLEM_CHARS, blank=True)  # empty: it plays
    note = models.CharField(max_length=MAX_PROBLEM_CHARS, blank=True)  # what is done without
    is_away = models.BooleanField(default=False)  # it gave no answer
    asked_at = models.DateTimeField(null=True, blank=True)  # for all its abilities

    def __str__(self) -> str:
        return self.url


class Engine(StrEnum):
    """What produces an agent's answers."""

    MODEL = "model"
    CODE = "code"  # house agents only: the environment's own solver, shown as such


class Agent(models.Model):
    """A competitor. What it plays with is its current version."""

    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="agents")
    name = models.CharField(max_length=MAX_AGENT_NAME_CODE_POINTS)
    name_key = NameKeyField(of="name")
    base_model = models.ForeignKey(BaseModel, on_delete=models.PROTECT, related_name="agents")
    engine = models.CharField(
        max_length=10, choices=[(e.value, e.value) for e in Engine], default=Engine.MODEL
    )
    # How often an agent of engine "code" answers by code; otherwise its base model answers. Below
    # 100, it shows what is possible without making first place hopeless.
    code_percent = models.PositiveSmallIntegerField(default=60, db_default=60)
    # Of one strength for good, so ratings are measured by it: see arena.spaces.trust.
    is_reference = models.BooleanField(default=False, db_default=False, editable=False)
    current_version = models.ForeignKey(
        "AgentVersion", on_delete=models.PROTECT, null=True, related_name="+"
    )
    # Owner's training choices; training.methods validates and explains them.
    learning = models.JSONField(default=dict)
    is_training_enabled = models.BooleanField(default=True)
    # When the current training run began; a Space that waits for training seats the agent after it.
    learning_since = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint("owner", Lower("name"), name="agent_name_unique_for_owner"),
            models.UniqueConstraint(
                fields=["owner", "name_key"], name="agent_name_key_unique_for_owner"
            ),
        ]

    def __str__(self) -> str:
        return self.name


MAX_REFUSAL_CHARS = 300


class Adapter(models.Model):
    """LoRA weights in the adapter store, addressed by the SHA-256 of their safetensors file."""

    digest = models.CharField(max_length=64, unique=True)
    base_model = models.ForeignKey(BaseModel, on_delete=models.PROTECT, related_name="adapters")
    parent = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="children"
    )
    rank = models.PositiveSmallIntegerField()
    alpha = models.PositiveSmallIntegerField()
    target_modules = ArrayField(models.CharField(max_length=40))
    size_bytes = models.PositiveBigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)
    # What a healthy inference server said when it refused to load the weights, and when.
    refusal = models.CharField(max_length=MAX_REFUSAL_CHARS, blank=True, default="", db_default="")
    refused_at = models.DateTimeField(null=True, blank=True)
    # When a version with these weights last gave way to one with others; null: none has.
    replaced_at = models.DateTimeField(null=True, blank=True)
    # Nobody may choose the weights from then on, and soon after the files are gone; see
    # training.retention.adapters.
    collected_at = models.DateTimeField(null=True, blank=True)
    is_removed = models.BooleanField(default=False, db_default=False)

    def __str__(self) -> str:
        return self.digest[:12]


class VersionOrigin(StrEnum):
    """Why a version exists."""

    CREATED = "created"
    EDITED = "edited"
    TRAINED = "trained"
    UPLOADED = "uploaded"  # with weights that its owner brought


class AgentVersion(models.Model):
    """Prompt + sampling + adapter, frozen. A trigger refuses UPDATE and DELETE.

    One change it allows: who leaves has the prompts erased.
    """

    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    prompt = models.TextField()
    # {"temperature": float, "top_p": float, "max_tokens": int}; see agents.inference.client.Sampling
    sampling = models.JSONField()
    adapter = models.ForeignKey(
        Adapter, on_delete=models.PROTECT, null=True, blank=True, related_name="versions"
    )
    parent = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="children"
    )
    origin = models.CharField(max_length=10, choices=[(o.value, o.value) for o in VersionOrigin])
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["agent_id", "number"]
        constraints = [
            models.UniqueConstraint(fields=["agent", "number"], name="version_number_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.agent_id}.v{self.number}"

    @property
    def served_name(self) -> str:
        """The model name asked of vLLM: the base's, or this version's own adapter name.

        One name per version, never reloaded in place: a reused name can serve a stale
        prefix cache (vllm#42125). The digest keeps a server that outlives the database, or
        serves two of them, from playing another version of the same number.
        """
        if self.adapter is None:
            return self.agent.base_model.served_name
        return f"agent-{self.agent_id}.v{self.number}-{self.adapter.digest[:12]}"
