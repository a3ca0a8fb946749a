"""The judges' tools on this installation: vLLM, the relevance scorer, the LLM judge's endpoint."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
from django.conf import settings
from django.utils import timezone

from agents.inference.client import (
    Inference,
    InferenceUnavailable,
    RequestRefused,
    plain_model,
)
from agents.inference.patience import patiently
from agents.inference.servers import certificates
from judges.scorers.client import RelevanceScorer
from judges.tools import CannotJudge, ChatRequest, Complete, Message, Reply, ToolFailed, Tools
from judges.wire import OPTIONAL_NAMES, body_of, reply_of

REQUEST_SECONDS = 60.0
CONNECT_SECONDS = 5.0
RETRY_SECONDS = 1.0  # before the one retry, if the endpoint does not say when
MAX_RETRY_SECONDS = 20.0  # a longer Retry-After than this is not waited for

# One child for this worker process, started when the first poem is judged.
_scorer = RelevanceScorer()


def build_tools() -> Tools:
    """Tools for any number of calls, from any event loop."""
    return Tools(complete=complete, logprob=logprob, relevance=_scorer.relevance)


async def complete(request: ChatRequest) -> Reply:
    """A reply from the LLM judge's endpoint (JUDGE_URL)."""
    environment = settings.ENV
    if not (environment.judge_url and environment.judge_model):
        raise CannotJudge("no judge endpoint is configured")
    secret = environment.judge_api_key
    key = secret.get_secret_value() if secret else ""
    return await completing(environment.judge_url, environment.judge_model, key=key)(request)


def completing(url: str, model: str, *, key: str) -> Complete:
    """Asks this model of an OpenAI-compatible endpoint, whose address the operator has chosen."""

    async def ask(request: ChatRequest) -> Reply:
        async with _client(key) as http:
            path = f"{url.rstrip('/')}/chat/completions"
            return reply_of(await _post(http, path, body_of(request, model=model)))

    return ask


async def logprob(
    messages: Sequence[Message], answer: str, *, max_tokens: int
) -> tuple[float, int]:
    """Summed natural logprob of the answer's first tokens under the base model, and their count."""
    model = plain_model(settings.ENV.base_model)

    async def ask() -> tuple[float, int]:
        asked = await inference.chat_ids(model.name, [dict(message) for message in messages])
        said = (await inference.count_tokens(model.name, answer))[:max_tokens]
        scores = await inference.score_tokens(model, asked, said)
        return sum(scores), len(scores)

    # All servers have the same base. One that failed rests: the next try asks another one.
    pauses = [0.0] * (len(settings.VLLM_URLS) - 1)
    try:
        async with Inference() as inference:
            return await patiently(ask, pauses=pauses)
    except (InferenceUnavailable, RequestRefused) as error:
        raise ToolFailed(str(error)) from None


def _client(key: str) -> httpx.AsyncClient:
    """A new client for each call: a client belongs to the event loop that first uses it."""
    return httpx.AsyncClient(
        timeout=httpx.Timeout(REQUEST_SECONDS, connect=CONNECT_SECONDS),
        headers={"Authorization": f"Bearer {key}"} if key else {},
        verify=certificates(),
    )


async def _post(http: httpx.AsyncClient, url: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The reply, after one retry if the server is busy or failed. Raises ToolFailed."""
    try:
        response = await http.post(url, json=body)
        if response.status_code == 429 or response.status_code >= 500:
            pause_seconds = _pause_seconds(response)
            if pause_seconds <= MAX_RETRY_SECONDS:
                await asyncio.sleep(pause_seconds)
                response = await http.post(url, json=body)
    except httpx.HTTPError as error:
        # Without its text: a page shows this, and the text may hold the address.
        raise ToolFailed(f"{type(error).__name__} at the judge endpoint") from None
    if response.status_code in (400, 422) and OPTIONAL_NAMES & body.keys():
        plain = {name: value for name, value in body.items() if name not in OPTIONAL_NAMES}
        return await _post(http, url, plain)
    if response.status_code != 200:
        raise ToolFailed(f"{url.rpartition('/')[2]} answered {response.status_code}")
    try:
        reply = response.json()
    except ValueError:
        reply = None
    if not isinstance(reply, dict):
        raise ToolFailed("a server's reply is not an object")
    return reply


def _pause_seconds(response: httpx.Response) -> float:
    """What Retry-After asks for, in seconds or as a date; RETRY_SECONDS if it asks for nothing."""
    asked = response.headers.get("Retry-After", "").strip()
    if asked.isdecimal():
        return float(asked)
    try:
        moment = parsedate_to_datetime(asked)
        return max(0.0, (moment.astimezone(UTC) - timezone.now()).total_seconds())
    except (ValueError, OverflowError):
        return RETRY_SECONDS
