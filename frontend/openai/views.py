"""Versions as models, and their answers as chat completions, streamed or whole."""

import json
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from django.http import HttpRequest, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from agents.api_tokens import Caller
from agents.errors import Refused
from agents.inference.replies import InferenceUnavailable
from arena.talks.naming import NamedVersion, model_name, named_versions, own_version
from arena.talks.talking import Spoken, in_thread, plan_talk, talk
from frontend.openai.asking import ChatBody
from frontend.openai.edge import endpoint, endpoint_error

Pieces = AsyncGenerator[str | Spoken]


@endpoint("GET")
async def models(request: HttpRequest, caller: Caller) -> HttpResponseBase:
    """The caller's versions, the newest first."""
    found = await in_thread(named_versions)(caller.user_id)
    return JsonResponse({"object": "list", "data": [_model(each) for each in found]})


@endpoint("GET")
async def model(request: HttpRequest, caller: Caller, name: str) -> HttpResponseBase:
    """One of the caller's versions."""
    version = await in_thread(own_version)(caller.user_id, name=name)
    return JsonResponse(
        {
            "id": model_name(version.agent_id, version.number),
            "object": "model",
            "created": int(version.created_at.timestamp()),
            "owned_by": "you",
        }
    )


@endpoint("POST")
async def chat_completions(request: HttpRequest, caller: Caller) -> HttpResponseBase:
    """An answer to the messages."""
    asked = ChatBody.read(request)
    plan = await in_thread(plan_talk)(
        caller.user_id,
        name=asked.model,
        messages=[message.plain for message in asked.messages],
        changes=asked.changes,
        token_id=caller.token_id,
    )
    head = {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "created": int(time.time()),
        "model": plan.name,
    }
    pieces = talk(plan)
    if not asked.stream:
        return JsonResponse(await _whole(pieces, head))
    # A refusal has a status of its own: so nothing is sent before the answer has begun.
    first = await anext(pieces)
    lines = _lines(first, pieces, head, has_usage=asked.has_usage)
    response = StreamingHttpResponse(lines, content_type="text/event-stream")
    response["X-Accel-Buffering"] = "no"  # a proxy should not wait for the end
    return response


async def _whole(pieces: Pieces, head: dict[str, Any]) -> dict[str, Any]:
    text = ""
    async with aclosing(pieces):
        async for piece in pieces:
            if isinstance(piece, Spoken):
                end = piece
            else:
                text += piece
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text, "refusal": None},
        "logprobs": None,
        "finish_reason": end.finish_reason,
    }
    return head | {"object": "chat.completion", "choices": [choice], "usage": _usage(end)}


async def _lines(
    first: str | Spoken, rest: Pieces, head: dict[str, Any], *, has_usage: bool
) -> AsyncIterator[bytes]:
    head = head | {"object": "chat.completion.chunk"} | ({"usage": None} if has_usage else {})

    def of(delta: dict[str, str], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return _line(head | {"choices": [choice]})

    async with aclosing(rest):
        yield of({"role": "assistant", "content": ""})
        piece: str | Spoken | None = first
        try:
            while isinstance(piece, str):
                yield of({"content": piece})
                piece = await anext(rest, None)
        except (Refused, InferenceUnavailable) as error:
            # Without the line that says that it is done: its reader knows that it broke off.
            yield _line(endpoint_error(error).body)
            return
        assert piece is not None, "an answer ends with how it ended"
        yield of({}, piece.finish_reason)
        if has_usage:
            yield _line(head | {"choices": [], "usage": _usage(piece)})
        yield b"data: [DONE]\n\n"


def _line(content: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(content, ensure_ascii=False)}\n\n".encode()


def _usage(end: Spoken) -> dict[str, int]:
    return {
        "prompt_tokens": end.prompt_tokens,
        "completion_tokens": end.answer_tokens,
        "total_tokens": end.prompt_tokens + end.answer_tokens,
        "charged_credits": end.charged_credits,
    }


def _model(version: NamedVersion) -> dict[str, Any]:
    return {
        "id": version.name,
        "object": "model",
        "created": int(version.created_at.timestamp()),
        "owned_by": "you",
        "agent": version.agent_name,
        "plays": version.is_current,
        "context_tokens": version.context_tokens,
    }
