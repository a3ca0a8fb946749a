"""The tools that judges may use; the caller supplies them, so that judges know no server."""

import secrets
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

Message = Mapping[str, str]  # {"role", "content"}


@dataclass(frozen=True)
class Reply:
    """What the pairwise judge's model wrote."""

    text: str
    is_cut: bool = False  # by the token bound or a filter, so that its end is missing


class Complete(Protocol):
    """Ask the pairwise judge's model.

    Raises CannotJudge if there is none, ToolFailed if this request failed.
    """

    def __call__(
        self, messages: Sequence[Message], *, max_tokens: int, temperature: float
    ) -> Awaitable[Reply]: ...


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


class Nonce(Protocol):
    """A string that nobody could have put into an answer beforehand."""

    def __call__(self) -> str: ...


def _random_nonce() -> str:
    return secrets.token_hex(8)


@dataclass(frozen=True)
class Tools:
    """Everything a judge can call. A tool that fails raises, and the judge abstains."""

    complete: Complete
    logprob: Logprob
    relevance: Relevance
    nonce: Nonce = _random_nonce


class CannotJudge(Exception):
    """The judge cannot vote on this round; the sentence says why."""


class ToolFailed(CannotJudge):
    """A server gave no usable reply to one request."""
