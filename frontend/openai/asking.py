"""A request for a chat completion: what of it is understood, and what is refused."""

import json
from collections.abc import Mapping
from typing import Any, Literal

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from django.http.request import RawPostDataException
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from arena.talks.saying import MAX_MESSAGES
from frontend.openai.errors import EndpointError

# Fields that change nothing with these values, which some clients always send.
NEUTRAL: Mapping[str, Any] = {
    "n": 1,
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "logprobs": False,
    "logit_bias": {},
    "response_format": {"type": "text"},
    "tools": [],
    "modalities": ["text"],
    "service_tier": "auto",
}
# Notes for whoever keeps them; nothing is kept here.
NOTES = frozenset({"user", "metadata", "store", "safety_identifier", "prompt_cache_key"})
WHY_NOT: Mapping[str, str] = {
    "n": "n can only be 1: ask again for another answer.",
    "seed": "seed is not supported: some servers here cannot take one, so no answer can be repeated.",
}


class TextPart(BaseModel):
    """A piece of a message; there are no others than text."""

    type: Literal["text"]
    text: str


class GivenMessage(BaseModel):
    """Of a conversation. Fields that others add, such as `name`, are left out."""

    role: str
    content: str | list[TextPart]

    @property
    def plain(self) -> dict[str, str]:
        # "developer" is the newer word for "system".
        role = "system" if self.role == "developer" else self.role
        if isinstance(self.content, str):
            return {"role": role, "content": self.content}
        return {"role": role, "content": "".join(part.text for part in self.content)}


class StreamOptions(BaseModel):
    """What a stream has besides the answer."""

    include_usage: bool = False


class ChatBody(BaseModel):
    """The body of a request, as far as it is understood here."""

    model_config = ConfigDict(extra="allow")

    model: str
    messages: list[GivenMessage] = Field(max_length=MAX_MESSAGES)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stop: str | list[str] | None = None

    @property
    def changes(self) -> dict[str, Any]:
        """Of the version's sampling."""
        stops = [self.stop] if isinstance(self.stop, str) else self.stop
        longest = self.max_completion_tokens
        return {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens if longest is None else longest,
            "stop": None if stops is None else tuple(stops),
        }

    @property
    def has_usage(self) -> bool:
        """Whether a stream ends with what was used."""
        return self.stream_options is not None and self.stream_options.include_usage

    @classmethod
    def read(cls, request: HttpRequest) -> "ChatBody":
        """Raises EndpointError."""
        try:
            given = json.loads(request.body)
        except RequestDataTooBig:
            raise EndpointError(
                413, "The request is larger than 1,000,000 bytes.", code="request_too_large"
            ) from None
        except (ValueError, RecursionError, RawPostDataException):  # the last: it came as a form
            raise EndpointError(400, "The body is not valid JSON.") from None
        try:
            read = cls.model_validate(given)
        except ValidationError as error:
            raise _invalid(error) from None
        for name, value in (read.model_extra or {}).items():
            if value is not None and name not in NOTES and NEUTRAL.get(name) != value:
                why = WHY_NOT.get(name, f"{name[:60]!r} is not supported here.")
                raise EndpointError(400, why, code="unsupported_parameter", param=name[:60])
        return read


def _invalid(error: ValidationError) -> EndpointError:
    first = error.errors(include_url=False, include_input=False)[0]
    # Which of the types a value was tried as is of no interest: ("stop", "str") is "stop".
    place = ".".join(str(part) for part in first["loc"][:3] if part not in ("str", "list[str]"))
    said = f"{place or 'The body'}: {first['msg']}."
    code = "missing_required_parameter" if first["type"] == "missing" else "invalid_value"
    return EndpointError(400, said, code=code, param=place or None)
