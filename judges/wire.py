"""The OpenAI-compatible form of a question to a judge's model, and of its reply."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from judges.tools import ChatRequest, Reply, ReplyToken, ToolFailed

MAX_REPLY_CHARACTERS = 20_000
MAX_THOUGHT_CHARACTERS = 400_000
MAX_REPLY_TOKENS = 50_000
MAX_LIKELIEST = 20  # of one token: what OpenAI's and vLLM's servers give at the most
MAX_COUNTED_TOKENS = 100_000_000
# A reply that ended for one of these is not whole.
CUT_REASONS = frozenset({"length", "max_tokens", "content_filter"})
# What not every server takes; one that refuses them is asked again without them.
OPTIONAL_NAMES = frozenset({"logprobs", "top_logprobs", "response_format"})


def body_of(request: ChatRequest, *, model: str) -> dict[str, Any]:
    """The body of a POST to /chat/completions."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [dict(message) for message in request.messages],
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
    }
    if request.top_logprobs:
        body["logprobs"] = True
        body["top_logprobs"] = min(request.top_logprobs, MAX_LIKELIEST)
    if request.schema is not None:
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "verdict", "strict": True, "schema": dict(request.schema)},
        }
    return body


def reply_of(value: object) -> Reply:
    """What the server's JSON says. Raises ToolFailed if it holds no text.

    Log-probabilities and counts are extras: without them, or if they make no sense, they are empty.
    """
    try:
        choice = value["choices"][0]  # type: ignore[index]
        message = choice["message"]
        content = str(message["content"] or "")
        # vLLM and others: one name or the other.
        thoughts = message.get("reasoning_content") or message.get("reasoning") or ""
        is_cut = choice.get("finish_reason") in CUT_REASONS
    except (KeyError, IndexError, TypeError, AttributeError):
        raise ToolFailed("the judge endpoint's reply has no text") from None
    assert isinstance(value, Mapping)
    return Reply(
        text=content[:MAX_REPLY_CHARACTERS],
        is_cut=is_cut or len(content) > MAX_REPLY_CHARACTERS,
        thoughts=str(thoughts)[:MAX_THOUGHT_CHARACTERS],
        tokens=_tokens(choice.get("logprobs")),
        prompt_tokens=token_count(value, "prompt_tokens"),
        completion_tokens=token_count(value, "completion_tokens"),
    )


def _tokens(logprobs: object) -> tuple[ReplyToken, ...]:
    content = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    if not isinstance(content, list):
        return ()
    try:
        return tuple(
            ReplyToken(str(token["token"]), _likeliest(token))
            for token in content[:MAX_REPLY_TOKENS]
        )
    except (KeyError, TypeError, ValueError):
        return ()


def _likeliest(token: Mapping[str, Any]) -> dict[str, float]:
    listed = [token, *(token.get("top_logprobs") or ())[:MAX_LIKELIEST]]
    found = {str(each["token"]): float(each["logprob"]) for each in listed}
    if not all(isfinite(logprob) and logprob <= 0.0 for logprob in found.values()):
        raise ValueError("a log-probability is no number of at most 0")
    return found


def token_count(value: Mapping[str, Any], name: str) -> int:
    """What a reply's `usage` says of "prompt_tokens" or "completion_tokens"; 0 if it says nothing."""
    usage = value.get("usage")
    count = usage.get(name) if isinstance(usage, Mapping) else None
    is_count = isinstance(count, int) and not isinstance(count, bool)
    return max(0, min(count, MAX_COUNTED_TOKENS)) if is_count and count is not None else 0
