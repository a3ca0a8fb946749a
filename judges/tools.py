"""The tools that judges may use; the caller supplies them, so that judges know no server."""

import secrets
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

Message = Mapping[str, str]  # {"role", "content"}


@dataclass(frozen=True)
class ChatRequest:
    """One question to a judge's model."""

    messages: Sequence[Message]
    max_tokens: int
    temperature: float = 0.0
    top_logprobs: int = 0  # likeliest tokens wanted in each place; a server may give fewer or none
    schema: Mapping[str, Any] | None = None  # of JSON that the reply has to be, if the server can
    # An earlier reply to it could not be read: another endpoint is asked, if there is one.
    is_repeat: bool = False
    # Slugs of judges.models.Endpoint in the order in which they are asked; none: JUDGE_URL
    endpoints: Sequence[str] = ()


class ReplyToken(NamedTuple):
    """A token of a reply, and the likeliest ones in its place."""

    text: str
    likeliest: Mapping[str, float]  # text -> natural log-probability; its own is among them


@dataclass(frozen=True)
class Reply:
    """What a judge's model wrote."""

    text: str
    is_cut: bool = False  # by the token bound or a filter, so that its end is missing
    thoughts: str = ""  # what the server keeps apart from the text
    tokens: tuple[ReplyToken, ...] = ()  # of thoughts and text, if the server tells
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_micros: int = 0  # millionths of the currency of the endpoint's prices


class Complete(Protocol):
    """Ask a judge's model.

    Raises CannotJudge if there is none, ToolFailed if this request failed.
    """

    def __call__(self, request: ChatRequest) -> Awaitable[Reply]: ...


class Logprob(Protocol):
    """(summed natural logprob of the answer's first tokens after the messages, their count).

    Under the base model; at most `max_tokens` of them.
    """

    def __call__(
        self, messages: Sequence[Message], answer: str, *, max_tokens: int
    ) -> Awaitable[tuple[float, int]]: ...


class Relevance(Protocol):
    """Cosine of each text with the prompt, in [-1, 1]."""

    def __call__(self, prompt: str, texts: Sequence[str]) -> Awaitable[list[float]]: ...


class Learned(Protocol):
    """A score of each text by the judge with this digest, of use only among texts of one prompt.

    Raises CannotJudge if its files are not here or do not load.
    """

    def __call__(
        self, digest: str, prompt: str, texts: Sequence[str]
    ) -> Awaitable[list[float]]: ...


@dataclass(frozen=True)
class Exchanged:
    """What an endpoint replied to a request that is no conversation, and what that took."""

    value: Mapping[str, Any]
    prompt_tokens: int = 0
    cost_micros: int = 0


class Exchange(Protocol):
    """POST JSON to `path` below the first of these endpoints that answers, with its model's name.

    Raises CannotJudge if none may be asked, ToolFailed if this request failed.
    """

    def __call__(
        self, path: str, body: Mapping[str, Any], endpoints: Sequence[str]
    ) -> Awaitable[Exchanged]: ...


class Nonce(Protocol):
    """A string that nobody could have put into an answer beforehand."""

    def __call__(self) -> str: ...


def _random_nonce() -> str:
    return secrets.token_hex(8)


async def _no_learned(digest: str, prompt: str, texts: Sequence[str]) -> list[float]:
    raise CannotJudge("no learned judge can be asked here")


async def _no_endpoints(path: str, body: Mapping[str, Any], endpoints: Sequence[str]) -> Exchanged:
    raise CannotJudge("no endpoints can be asked here")


@dataclass(frozen=True)
class Tools:
    """Everything a judge can call. A tool that fails raises, and the judge abstains."""

    complete: Complete
    logprob: Logprob
    relevance: Relevance
    nonce: Nonce = _random_nonce
    learned: Learned = _no_learned
    exchange: Exchange = _no_endpoints


class CannotJudge(Exception):
    """The judge cannot vote on this round; the sentence says why."""


class ToolFailed(CannotJudge):
    """A server gave no usable reply to one request."""
