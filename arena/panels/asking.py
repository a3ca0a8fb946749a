"""Asks the servers that judges' models run on: the endpoints' rows, or JUDGE_URL.

A request is refused before it is sent if the server rests after failures or its cap of this month
leaves no room; then, as after a failure, the judge's next endpoint is asked.
"""

import asyncio
import hashlib
import json
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, TypeVar

import structlog
from django.conf import settings
from django.db import connections
from django.utils import timezone

from arena.outbound.client import (
    Inbound,
    Outbound,
    OutboundFailed,
    OutboundRefused,
    OutboundUnreached,
    send,
)
from arena.outbound.waiting import retry_after
from judges.endpoints import breaker, spending
from judges.endpoints.keys import KeyUnreadable, opened
from judges.kinds.config import ARENA_BASE
from judges.models import Endpoint
from judges.tools import CannotJudge, ChatRequest, Complete, Exchange, Exchanged, Reply, ToolFailed
from judges.wire import OPTIONAL_NAMES, body_of, reply_of, token_count

REQUEST_SECONDS = 60.0
RETRY_SECONDS = 1.0  # before the one retry, if the endpoint does not say when
MAX_RETRY_SECONDS = 20.0  # a longer Retry-After than this is not waited for
MAX_REPLY_BYTES = 8_000_000  # log-probabilities of a long thought
# Says only that this request was no good, not that the server is.
_OWN_FAULT = frozenset({400, 413, 422})
# A vote asks eight things at once; its bookkeeping may not take the process's pool.
_connections = threading.BoundedSemaphore(2)

log = structlog.get_logger(__name__)
Value = TypeVar("Value")


@dataclass(frozen=True)
class JudgeServer:
    """A server with one of its models, and the bounds within which it is asked."""

    name: str
    url: str
    model: str
    key: str = field(repr=False)
    endpoint_id: int | None = None  # None: the operator's own, in JUDGE_URL
    timeout_seconds: float = REQUEST_SECONDS
    prompt_price: Decimal = Decimal(0)  # of a million tokens
    completion_price: Decimal = Decimal(0)
    # Not of the command line: whoever measures a server wants each of its failures, and no rest.
    has_breaker: bool = True
    gives_schema: bool = True
    gives_logprobs: bool = True

    @property
    def health(self) -> str:
        """Its name for the breaker: with another address or key it starts afresh."""
        said = json.dumps([self.name, self.url, self.key])
        return hashlib.sha256(said.encode()).hexdigest()

    def cost_micros(self, prompt_tokens: int, completion_tokens: int) -> int:
        return spending.cost_micros(
            prompt_tokens,
            completion_tokens,
            prompt_price=self.prompt_price,
            completion_price=self.completion_price,
        )


class NotAsked(ToolFailed):
    """Nothing was sent: the server rests, its cap is reached, or it may not be asked."""


class ServerFailed(ToolFailed):
    """The server gave no usable reply.

    `is_refusal`: it said so itself or was not reached, and charges nothing.
    `is_own_fault`: of this request only.
    """

    def __init__(self, sentence: str, *, is_refusal: bool, is_own_fault: bool = False) -> None:
        super().__init__(sentence)
        self.is_refusal, self.is_own_fault = is_refusal, is_own_fault


async def complete(request: ChatRequest) -> Reply:
    """A reply from the first of the request's endpoints that gives one; see judges.tools.Complete."""
    servers = await _in_thread(lambda: servers_of(request.endpoints))
    if request.is_repeat:
        servers = [*servers[1:], *servers[:1]]  # the one that could not be read comes last
    return await _first_of(servers, lambda server: _chat(server, request))


async def exchanged(path: str, body: Mapping[str, Any], endpoints: Sequence[str]) -> Exchanged:
    """What the first of these endpoints replies that gives a reply; see judges.tools.Exchange."""
    servers = await _in_thread(lambda: servers_of(endpoints))
    return await _first_of(servers, lambda server: _exchanged(server, path, body))


async def _first_of(
    servers: Sequence[JudgeServer], ask: Callable[[JudgeServer], Awaitable[Value]]
) -> Value:
    problems: list[ToolFailed] = []
    for server in servers:
        try:
            return await ask(server)
        except ToolFailed as problem:
            problems.append(problem)
    sentence = "; ".join(dict.fromkeys(str(problem) for problem in problems))
    if all(isinstance(problem, NotAsked) for problem in problems):
        raise CannotJudge(sentence)
    raise ToolFailed(sentence)


def completing(url: str, model: str, *, key: str) -> Complete:
    """Asks this model of an OpenAI-compatible server, whose address the operator has chosen."""
    server = replace(_operators(url, model, key=key), has_breaker=False)

    async def ask(request: ChatRequest) -> Reply:
        return await _chat(server, request)

    return ask


def exchanging(url: str, model: str, *, key: str) -> Exchange:
    """The same for requests that are no conversations; whatever endpoints are named, it is this one."""
    server = replace(_operators(url, model, key=key), has_breaker=False)

    async def ask(path: str, body: Mapping[str, Any], endpoints: Sequence[str]) -> Exchanged:
        return await _exchanged(server, path, body)

    return ask


def servers_of(slugs: Sequence[str]) -> list[JudgeServer]:
    """The servers with these slugs, in their order; JUDGE_URL's without any. Raises CannotJudge."""
    if not slugs:
        return [_from_environment()]
    rows = Endpoint.objects.filter(slug__in=slugs, is_active=True)
    found = {row.slug: [server_of(row)] for row in rows}
    found[ARENA_BASE] = [_own(url) for url in settings.VLLM_URLS]
    servers = [server for slug in slugs for server in found.get(slug, [])]
    if not servers:
        raise CannotJudge("none of its endpoints is in use")
    return servers


async def exchange(
    server: JudgeServer, path: str, body: Mapping[str, Any], *, max_completion_tokens: int
) -> tuple[dict[str, Any], int]:
    """The server's JSON to a POST, and what it cost in millionths. Raises ToolFailed.

    `path` is below the endpoint's address, "/chat/completions" for example.
    """
    # A token has at least one byte.
    bound = server.cost_micros(len(json.dumps(body).encode()), max_completion_tokens)
    reserved = await _in_thread(lambda: _begin(server, bound_micros=bound))
    try:
        value = await _post(server, path, body)
    except ServerFailed as problem:
        sentence, is_refusal, is_own_fault = str(problem), problem.is_refusal, problem.is_own_fault
        await _in_thread(
            lambda: _note_failure(
                server, reserved, sentence, is_refusal=is_refusal, is_own_fault=is_own_fault
            )
        )
        raise
    prompt, completion = (
        token_count(value, name) for name in ("prompt_tokens", "completion_tokens")
    )
    # A server that does not count may have charged anything up to the bound.
    cost = server.cost_micros(prompt, completion) if prompt or completion else bound
    await _in_thread(lambda: _note_success(server, reserved, cost, prompt, completion))
    return value, cost


async def _chat(server: JudgeServer, request: ChatRequest) -> Reply:
    asked = replace(
        request,
        schema=request.schema if server.gives_schema else None,
        top_logprobs=request.top_logprobs if server.gives_logprobs else 0,
    )
    value, cost = await exchange(
        server,
        "/chat/completions",
        body_of(asked, model=server.model),
        max_completion_tokens=request.max_tokens,
    )
    return replace(reply_of(value), cost_micros=cost)


async def _exchanged(server: JudgeServer, path: str, body: Mapping[str, Any]) -> Exchanged:
    named = {"model": server.model, **body}
    value, cost = await exchange(server, path, named, max_completion_tokens=0)
    return Exchanged(value, token_count(value, "prompt_tokens"), cost)


def _from_environment() -> JudgeServer:
    environment = settings.ENV
    if not (environment.judge_url and environment.judge_model):
        raise CannotJudge("no judge endpoint is configured")
    secret = environment.judge_api_key
    return _operators(
        environment.judge_url,
        environment.judge_model,
        key=secret.get_secret_value() if secret else "",
    )


def _own(url: str) -> JudgeServer:
    """One of the arena's own servers, asked for the plain base model."""
    return JudgeServer(
        "the arena's base model",
        f"{url.rstrip('/')}/v1",
        settings.ENV.base_model,
        settings.VLLM_API_KEY,
    )


def _operators(url: str, model: str, *, key: str) -> JudgeServer:
    return JudgeServer("the judge endpoint", url, model, key)


def server_of(row: Endpoint) -> JudgeServer:
    """The server of this row with its key. Raises CannotJudge if the key can no longer be read."""
    try:
        key = opened(row.sealed_key)
    except KeyUnreadable:
        raise CannotJudge(f"the key of endpoint {row.slug} can no longer be read") from None
    return JudgeServer(
        name=f"endpoint {row.slug}",
        url=row.url,
        model=row.model,
        key=key,
        endpoint_id=row.pk,
        timeout_seconds=row.timeout_seconds,
        prompt_price=row.prompt_price,
        completion_price=row.completion_price,
        gives_schema=row.gives_schema,
        gives_logprobs=row.gives_logprobs,
    )


def _begin(server: JudgeServer, *, bound_micros: int) -> spending.Reserved | None:
    if server.has_breaker and not breaker.may_ask(server.health):
        raise NotAsked(f"{server.name} failed again and again and is left alone for a while")
    if server.endpoint_id is None:
        return None
    reserved = spending.reserve(server.endpoint_id, bound_micros=bound_micros)
    if reserved is None:
        raise NotAsked(f"{server.name} has reached its cap of this month")
    return reserved


def _note_success(
    server: JudgeServer,
    reserved: spending.Reserved | None,
    cost_micros: int,
    prompt_tokens: int,
    completion_tokens: int,
) -> None:
    if server.has_breaker:
        breaker.note_success(server.health)
    if reserved is not None:
        spending.settle(
            reserved,
            cost_micros=cost_micros,
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
        )


def _note_failure(
    server: JudgeServer,
    reserved: spending.Reserved | None,
    sentence: str,
    *,
    is_refusal: bool,
    is_own_fault: bool,
) -> None:
    log.warning("judge_endpoint_failed", endpoint=server.name, problem=sentence)
    if server.has_breaker and not is_own_fault:
        breaker.note_failure(server.health)
    if reserved is not None:
        if is_refusal:
            spending.settle(reserved, cost_micros=0)
        Endpoint.objects.filter(id=reserved.endpoint_id).update(
            last_problem=sentence[:300], last_problem_at=timezone.now()
        )


async def _post(server: JudgeServer, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The reply, after one retry if the server is busy or failed. Raises ServerFailed."""
    response = await _send(server, path, body)
    if response.status == 429 or response.status >= 500:
        asked = retry_after(response.headers.get("retry-after", ""), now=timezone.now())
        pause_seconds = RETRY_SECONDS if asked is None else asked
        if pause_seconds <= MAX_RETRY_SECONDS:
            await asyncio.sleep(pause_seconds)
            response = await _send(server, path, body)
    if response.status in (400, 422) and OPTIONAL_NAMES & body.keys():
        plain = {name: value for name, value in body.items() if name not in OPTIONAL_NAMES}
        return await _post(server, path, plain)
    if response.status != 200:
        raise ServerFailed(
            f"{server.name} answered {response.status}",
            is_refusal=True,
            is_own_fault=response.status in _OWN_FAULT,
        )
    try:
        reply = json.loads(response.body)
    except (ValueError, RecursionError):
        reply = None
    if not isinstance(reply, dict):
        raise ServerFailed(f"{server.name} answered something that is no JSON", is_refusal=False)
    return reply


async def _send(server: JudgeServer, path: str, body: Mapping[str, Any]) -> Inbound:
    headers = {"Content-Type": "application/json"}
    if server.key:
        headers["Authorization"] = f"Bearer {server.key}"
    request = Outbound(
        "POST",
        f"{server.url.rstrip('/')}{path}",
        json.dumps(body).encode(),
        headers,
        is_trusted=server.endpoint_id is None,
        max_bytes=MAX_REPLY_BYTES,
        timeout_seconds=server.timeout_seconds,
    )
    try:
        return await send(request)
    except OutboundRefused as reason:
        raise ServerFailed(f"{server.name} may not be asked: {reason}", is_refusal=True) from None
    except OutboundFailed as reason:
        # Who was not even asked charges nothing; of another fault one cannot know.
        is_refusal = isinstance(reason, OutboundUnreached)
        raise ServerFailed(f"{server.name} failed: {reason}", is_refusal=is_refusal) from None


async def _in_thread(call: Callable[[], Value]) -> Value:
    """Rows are read and written beside the event loop, by a thread that gives its connection back."""

    def run() -> Value:
        with _connections:
            try:
                return call()
            finally:
                connections.close_all()

    return await asyncio.to_thread(run)
