"""What vLLM's replies mean, and whose fault an error is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, NoReturn

import httpx
import structlog

from agents.errors import Refused
from agents.prompts import UNSTORABLE

log = structlog.get_logger(__name__)

MAX_ANSWER_CHARS = 20_000


class InferenceUnavailable(Exception):
    """Infrastructure fault: no server answered, or one died midway. Retry or refund."""


class RequestRefused(Refused):
    """The server understood the request and declined it; the agent is at fault."""


class NoNumbers(RequestRefused):
    """The model's own log-probabilities are no numbers: an adapter can make a model overflow."""

    def __init__(self) -> None:
        super().__init__("The agent's model computed values that are not numbers.")


class ChoicesRefused(RequestRefused):
    """No seat can choose among these; whoever listed them is at fault."""


@dataclass(frozen=True)
class Generation:
    """One sampled answer.

    token_ids and logprobs have one item per sampled token; logprobs are natural logarithms
    under the sampling policy's unscaled distribution, at temperature 1 and before top-p.
    chunk_times holds (characters so far, seconds since the request). allowed_token_ids has the
    tokens that each was drawn among, over which its logprob is normalised; [] if it was any token.
    """

    text: str
    prompt_token_ids: list[int]
    token_ids: list[int]
    logprobs: list[float]
    chunk_times: list[tuple[int, float]]
    finish_reason: str
    seconds: float
    allowed_token_ids: list[tuple[int, ...]] = field(default_factory=list)


@dataclass(frozen=True)
class Continuation:
    """What a model wrote after given tokens."""

    text: str
    token_ids: list[int]  # including the token that ended it, if one did
    is_finished: bool  # by itself, not cut off at its maximum length


class StreamedAnswer:
    """Adds up the chunks of one stream."""

    def __init__(self) -> None:
        self.text = ""
        self.prompt_token_ids: list[int] = []
        self.token_ids: list[int] = []
        self.logprobs: list[float] = []
        self.chunk_times: list[tuple[int, float]] = []
        self.finish_reason = ""

    def add(self, chunk: Mapping[str, Any], seconds: float) -> str:
        """The chunk's text, `seconds` after the request. Raises InferenceUnavailable or NoNumbers."""
        if "error" in chunk:
            # The engine died after the stream had begun.
            raise InferenceUnavailable("the server reported an error while answering")
        if chunk.get("prompt_token_ids"):
            self.prompt_token_ids = chunk["prompt_token_ids"]
        piece = ""
        for choice in chunk.get("choices", ()):
            piece = UNSTORABLE.sub("", choice["delta"].get("content") or "")
            piece = piece[: MAX_ANSWER_CHARS - len(self.text)]
            self.token_ids += choice.get("token_ids") or []
            content = (choice.get("logprobs") or {}).get("content") or []
            found = [token["logprob"] for token in content]
            if None in found:  # so vLLM writes NaN in a stream
                raise NoNumbers
            self.logprobs += found
            self.finish_reason = choice.get("finish_reason") or self.finish_reason
        if piece:
            self.text += piece
            self.chunk_times.append((len(self.text), round(seconds, 3)))
        return piece

    def finished(self, seconds: float) -> Generation:
        """The whole answer, `seconds` after the request. Raises InferenceUnavailable."""
        if not self.finish_reason:
            raise InferenceUnavailable("the answer was cut off")
        return Generation(
            text=self.text,
            prompt_token_ids=self.prompt_token_ids,
            token_ids=self.token_ids,
            logprobs=self.logprobs,
            chunk_times=self.chunk_times,
            finish_reason=self.finish_reason,
            seconds=seconds,
        )


class ModelNotFound(Exception):
    """The server has no model of this name; usually an adapter lost in a restart."""


def raise_for(response: httpx.Response) -> NoReturn:
    """Raise the error that a reply other than 200 stands for."""
    if response.status_code == 404:
        raise ModelNotFound
    if response.status_code in {400, 413, 422}:
        said = message_of(response)
        log.warning("request_refused", status=response.status_code, said=said)
        if "not JSON compliant" in said:  # so vLLM refuses to write NaN outside a stream
            raise NoNumbers
        if "context length" in said or "too long" in said:
            raise RequestRefused("The prompt and the task are too long for the model.")
        raise RequestRefused("The inference server cannot take this request.")
    raise InferenceUnavailable(f"the server answered {response.status_code}")


def logprobs_of(response: httpx.Response, answer_ids: Sequence[int]) -> list[float]:
    """Natural logprobs of the prompt's last tokens. Raises InferenceUnavailable."""
    try:
        positions = response.json()["choices"][0]["prompt_logprobs"][-len(answer_ids) :]
        return [
            float(position[str(token)]["logprob"])
            for position, token in zip(positions, answer_ids, strict=True)
        ]
    except (KeyError, IndexError, TypeError, ValueError):
        raise InferenceUnavailable("the server's reply has no logprobs of the prompt") from None


def next_logprobs_of(response: httpx.Response, ids: Sequence[int]) -> dict[int, float]:
    """Natural logprobs of these ids as the next token. Raises InferenceUnavailable or NoNumbers."""
    try:
        (likely,) = response.json()["choices"][0]["logprobs"]["top_logprobs"]
        found = {token: float(likely[f"token_id:{token}"]) for token in ids}
    except (KeyError, IndexError, TypeError, ValueError):
        raise InferenceUnavailable("the server's reply has no logprobs of the moves") from None
    if not all(map(isfinite, found.values())):
        raise NoNumbers
    return found


def tokens_of(response: httpx.Response) -> list[int]:
    """Token ids of what was to be tokenized. Raises InferenceUnavailable."""
    try:
        return [int(token) for token in response.json()["tokens"]]
    except (KeyError, TypeError, ValueError):
        raise InferenceUnavailable("the server's reply has no tokens") from None


def continuation_of(response: httpx.Response) -> Continuation:
    """The reply's text with its tokens. Raises InferenceUnavailable if it has none."""
    try:
        choice = response.json()["choices"][0]
        return Continuation(
            text=UNSTORABLE.sub("", choice["text"]),
            token_ids=[int(token) for token in choice["token_ids"]],
            is_finished=choice["finish_reason"] == "stop",
        )
    except (KeyError, IndexError, TypeError, ValueError):
        raise InferenceUnavailable("the server's reply has no text with its tokens") from None


def message_of(response: httpx.Response) -> str:
    """The server's error message, shortened: for the log only, because it may name files."""
    try:
        return UNSTORABLE.sub("", str(response.json()["error"]["message"]))[:200]
    except (ValueError, KeyError, TypeError):
        return f"status {response.status_code}"
