"""Values that operations take, checked before any verb sees them."""

import uuid
from typing import Annotated

from ninja import Header, Path, Schema
from pydantic import AfterValidator, Field

from agents.prompts import MAX_PROMPT_CHARS

LARGEST_ID = 2**63 - 1


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("Remove the NUL characters.")
    return text


def _random_uuid(given: uuid.UUID) -> uuid.UUID:
    if given.version != 4:
        raise ValueError("The key must be a version 4 UUID.")
    return given


Text = Annotated[str, AfterValidator(_storable)]
RowId = Annotated[int, Path(ge=1, le=LARGEST_ID)]
Slug = Annotated[str, Path(pattern=r"^[-a-zA-Z0-9_]+$", max_length=50)]
IdempotencyKey = Annotated[
    uuid.UUID,
    AfterValidator(_random_uuid),
    Header(alias="Idempotency-Key", description="A version 4 UUID, new for each intent."),
]


class SamplingValues(Schema):
    """How an agent's answers are sampled."""

    temperature: float = Field(0.8, ge=0, le=2)
    top_p: float = Field(0.95, gt=0, le=1)
    max_tokens: int = Field(96, ge=8, le=256, description="Of an answer; a Space may allow fewer.")


class NewVersion(Schema):
    """What an agent plays with from now on."""

    prompt: Text = Field(max_length=4 * MAX_PROMPT_CHARS)
    sampling: SamplingValues = Field(default_factory=lambda: SamplingValues.model_validate({}))


class NewAgent(NewVersion):
    """A new agent; `learning` are its training settings, see /api/v1/agents/learning."""

    name: Text = Field(max_length=200)
    base_model_id: int | None = Field(
        None, ge=1, le=LARGEST_ID, description="Null: the first of /api/v1/agents/base-models."
    )
    learning: dict[str, str | int | float] = {}


class NewName(Schema):
    """What an agent is called from now on."""

    name: Text = Field(max_length=200)


class Learning(Schema):
    """Whether and how an agent learns."""

    is_training_enabled: bool
    settings: dict[str, str | int | float] = Field(
        {}, description="Training settings; those left out take their defaults."
    )


class NewRun(Schema):
    """A training run with what an agent has played in a Space."""

    agent_id: int = Field(ge=1, le=LARGEST_ID)
    space_id: int = Field(ge=1, le=LARGEST_ID)


class NewEntry(Schema):
    """An agent's place in the queue of a Space."""

    agent_id: int = Field(ge=1, le=LARGEST_ID)
    space: Text = Field(max_length=50, description="The Space's slug.")
    fee_credits: int | None = Field(
        None, ge=0, le=LARGEST_ID, description="One of the Space's fees; null: its usual one."
    )
    terms: Text = Field(
        "",
        max_length=200,
        description="The Space's `terms.stamp` that you agree to; empty: whatever they are.",
    )


class TopUp(Schema):
    """Sandbox credits."""

    amount_credits: int = Field(ge=1, le=LARGEST_ID)
