"""The judges' tools on this installation: vLLM, the relevance scorer, the LLM judge's endpoint."""

import contextlib
import ssl
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import httpx
from django.conf import settings

from agents.prompts import neutralised
from judges.scorers.client import RelevanceScorer
from judges.tools import CannotJudge, Message, Tools

REQUEST_SECONDS = 60.0
CONNECT_SECONDS = 5.0
MAX_ANSWER_TOKENS = 512
MAX_REPLY_CHARACTERS = 20_000

# One child for this worker process, started when the first poem is judged.
_scorer = RelevanceScorer()


class ToolFailed(CannotJudge):
    """A server's reply cannot be used."""


def build_tools() -> Tools:
    """Tools for any number of calls, from any event loop."""
    return Tools(complete=complete, logprob=logprob, relevance=_scorer.relevance)


async def complete(messages: Sequence[Message], *, max_tokens: int, temperature: float) -> str:
    """A reply from the LLM judge's endpoint (JUDGE_URL)."""
    environment = settings.ENV
    if not (environment.judge_url and environment.judge_model):
        raise CannotJudge("no judge endpoint is configured")
    key = environment.judge_api_key
    body = {
        "model": environment.judge_model,
        "messages": [dict(message) for message in messages],
        "max_tokens": max_tokens,
        "temperature": temperature,
    }
    url = f"{environment.judge_url.rstrip('/')}/chat/completions"
    async with _client(key.get_secret_value() if key else "") as http:
        reply = await _post(http, url, body)
    try:
        content = reply["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        raise ToolFailed("the judge endpoint's reply has no text") from None
    return str(content or "")[:MAX_REPLY_CHARACTERS]


async def logprob(messages: Sequence[Message], answer: str) -> tuple[float, int]:
    """Summed natural logprob of the answer's tokens under the base model, and their count.

    Asks vLLM to score the prompt instead of sampling: one prefill, no generation. On a CPU, the
    server must keep lm_head out of its LoRA targets (`--lora-target-modules`), or this request
    crashes the engine; `manage.py up` starts it that way.
    """
    model = settings.ENV.base_model
    chat = {
        "model": model,
        "messages": [
            {"role": message["role"], "content": neutralised(message["content"])}
            for message in messages
        ],
        "add_generation_prompt": True,
    }
    text = {"model": model, "prompt": neutralised(answer), "add_special_tokens": False}

    async def ask(http: httpx.AsyncClient, url: str) -> tuple[float, int]:
        asked = (await _post(http, f"{url}/tokenize", chat))["tokens"]
        said = (await _post(http, f"{url}/tokenize", text))["tokens"][:MAX_ANSWER_TOKENS]
        if not said:
            return 0.0, 0
        body = {"model": model, "prompt": asked + said, "max_tokens": 1, "prompt_logprobs": 0}
        return _summed(await _post(http, f"{url}/v1/completions", body), said)

    *others, last = settings.VLLM_URLS
    async with _client(settings.VLLM_API_KEY) as http:
        for url in others:
            # All serve the same base model; if one is down or failing, the next is asked.
            with contextlib.suppress(httpx.HTTPError, ToolFailed):
                return await ask(http, url)
        return await ask(http, last)


def _summed(reply: Mapping[str, Any], said: Sequence[int]) -> tuple[float, int]:
    try:
        positions = reply["choices"][0]["prompt_logprobs"][-len(said) :]
        found = [
            float(position[str(token)]["logprob"])
            for position, token in zip(positions, said, strict=True)
        ]
    except (KeyError, IndexError, TypeError, ValueError):
        raise ToolFailed("vLLM's reply has no logprobs of the prompt") from None
    return sum(found), len(found)


def _client(key: str) -> httpx.AsyncClient:
    """A new client for each call: a client belongs to the event loop that first uses it."""
    return httpx.AsyncClient(
        timeout=httpx.Timeout(REQUEST_SECONDS, connect=CONNECT_SECONDS),
        headers={"Authorization": f"Bearer {key}"} if key else {},
        verify=_certificates(),
    )


@cache
def _certificates() -> ssl.SSLContext:
    """Cached, because reading the system's certificates takes 20 ms."""
    return ssl.create_default_context()


async def _post(http: httpx.AsyncClient, url: str, body: Mapping[str, Any]) -> dict[str, Any]:
    response = await http.post(url, json=body)
    if response.status_code != 200:
        raise ToolFailed(f"{url.rpartition('/')[2]} answered {response.status_code}")
    reply = response.json()
    if not isinstance(reply, dict):
        raise ToolFailed("a server's reply is not an object")
    return reply
