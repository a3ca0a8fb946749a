"""What a judge of some kind can be configured with: typed, checked in words, ready for a form."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from judges.tools import CannotJudge

MAX_LIMIT_SECONDS = 600.0
ARENA_BASE = "arena-base"  # names the arena's own servers and the plain base model among endpoints
MAX_ENDPOINTS = 4


class BadConfig(CannotJudge):
    """A configuration that its kind cannot use; `problems` has a sentence's end for each field."""

    def __init__(self, problems: Mapping[str, str], *, unknown: Sequence[str] = ()) -> None:
        said = [
            f"{name} {problem}".lstrip()
            for name, problem in problems.items()
            if name not in unknown
        ]
        if unknown:
            said.insert(0, f"unknown names: {', '.join(sorted(unknown))}")
        verb = "has " if unknown else "is not valid: "
        super().__init__(f"its configuration {verb}{'; '.join(said)}")
        self.problems = dict(problems)


class KindConfig(BaseModel):
    """A kind's settings. Every field has a title, a description and its limits."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
    LIMIT_SECONDS: ClassVar[float] = 10.0

    def time_limit_seconds(self) -> float:
        """How long a vote on one round may take."""
        return self.LIMIT_SECONDS

    def asked_endpoints(self) -> tuple[str, ...]:
        """Slugs of the endpoints whose model it asks, in order; none: the one in JUDGE_URL."""
        return ()

    def asks_base(self) -> bool:
        """Whether it asks the arena's own base model, on which agents play."""
        return False


class ModelConfig(KindConfig):
    """What all kinds share whose judge is a language model behind an endpoint."""

    thinking_tokens: int = Field(
        0,
        ge=0,
        le=32_000,
        title="Room for thoughts",
        description="Tokens that the model may think before it answers. Its thoughts are cut off "
        "before the verdict is read; thoughts that do not end within this room are an abstention.",
    )
    max_answer_characters: int = Field(
        4_000,
        ge=200,
        le=20_000,
        title="Longest answer",
        description="Characters of each answer that the model is shown; the same for all seats.",
    )
    endpoints: tuple[str, ...] = Field(
        (),
        max_length=MAX_ENDPOINTS,
        title="Endpoints",
        description="Short names of the endpoints to ask. The first one is asked first; the next one if that "
        "fails, or if its reply could not be read. None: the endpoint in JUDGE_URL. arena-base: the "
        "arena's own base model.",
    )
    limit_seconds: float = Field(
        120.0,
        ge=1.0,
        le=MAX_LIMIT_SECONDS,
        title="Time limit",
        description="Seconds that a vote on one round may take; a later one is an abstention.",
    )

    def time_limit_seconds(self) -> float:
        return self.limit_seconds

    def asked_endpoints(self) -> tuple[str, ...]:
        return self.endpoints


ConfigT = TypeVar("ConfigT", bound=KindConfig)

# pydantic's type of an error -> what the page says; {...} are pydantic's own limits
_WORDS: Mapping[str, str] = {
    "missing": "is missing",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "enum": "must be one of {expected}",
    "literal_error": "must be one of {expected}",
    "greater_than_equal": "must be at least {ge:g}",
    "greater_than": "must be more than {gt:g}",
    "less_than_equal": "must be at most {le:g}",
    "less_than": "must be less than {lt:g}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "may only have letters, digits, spaces and hyphens",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
    "extra_forbidden": "is not known",
    "value_error": "{error}",
}


class GradingConfig(ModelConfig):
    """What a judge whose model gives marks may set."""

    has_log_probabilities: bool = Field(
        True,
        title="Log-probabilities",
        description="Ask how likely each mark was, so that a mark is the mean of what it could have "
        "been.",
    )
    has_reference: bool = Field(
        False,
        title="Reference answer",
        description="Show the model the environment's own answer to the task; without one the "
        "judge abstains.",
    )


def read_config(config_class: type[ConfigT], value: Mapping[str, Any]) -> ConfigT:
    """The configuration that this JSON describes. Raises BadConfig."""
    try:
        # As JSON: a list is then the JSON of a tuple, and a text that of an enumeration's member.
        return config_class.model_validate_json(json.dumps(value))
    except ValidationError as error:
        found = error.errors(include_url=False)
    except (TypeError, ValueError, RecursionError):
        raise BadConfig({"": "it must be JSON"}) from None
    problems = {_place(each["loc"]): _in_words(each) for each in reversed(found)}
    unknown = [_place(each["loc"]) for each in found if each["type"] == "extra_forbidden"]
    raise BadConfig(problems, unknown=unknown)


def _place(location: Sequence[int | str]) -> str:
    """("criteria", 0, "weight") is "criteria 1 weight"."""
    return " ".join(str(part + 1) if isinstance(part, int) else part for part in location)


def _in_words(error: Mapping[str, Any]) -> str:
    words = _WORDS.get(error["type"], "is not valid")
    return words.format(**error.get("ctx", {}))
