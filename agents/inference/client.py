"""The vLLM client: streamed generation from a base model or one of its LoRA adapters.

vLLM's OpenAI-compatible server, with `return_token_ids` (vLLM >= 0.10.2) and run-time LoRA
loading. No request carries a `seed`: it crashes the CPU engine, so a user could stop the arena.
"""

import asyncio
import json
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
import structlog
from django.conf import settings

from agents.adapters.store import adapter_folder
from agents.errors import Refused
from agents.inference.replies import (
    Continuation,
    Generation,
    InferenceUnavailable,
    ModelNotFound,
    RequestRefused,
    StreamedAnswer,
    continuation_of,
    logprobs_of,
    message_of,
    raise_for,
    tokens_of,
)
from agents.models import AgentVersion
from agents.prompts import neutralised

__all__ = [
    "AdapterRefused",
    "Continuation",
    "Generation",
    "Inference",
    "InferenceUnavailable",
    "Message",
    "OnText",
    "RequestRefused",
    "Sampling",
    "ServedModel",
    "plain_model",
    "served_model",
]

log = structlog.get_logger(__name__)

CONNECT_TIMEOUT_SECONDS = 5.0
READ_TIMEOUT_SECONDS = 120.0  # between two chunks; the first request compiles for about 20 s
LOAD_TIMEOUT_SECONDS = 60.0
# For how long a server that failed is asked last, so that another one answers.
REST_SECONDS = 30.0

Message = dict[str, str]
OnText = Callable[[str], Awaitable[None]]
Result = TypeVar("Result")


class AdapterRefused(Refused):
    """The server declined to load the adapter."""


@dataclass(frozen=True)
class Sampling:
    """How tokens are sampled. temperature and top_p are dimensionless."""

    temperature: float = 0.8
    top_p: float = 0.95
    max_tokens: int = 96

    def __post_init__(self) -> None:
        for problem in self.problems():
            raise Refused(problem)

    def problems(self) -> list[str]:
        """A sentence for each value out of range; comparisons also catch NaN."""
        found = []
        if not 0 <= self.temperature <= 2:
            found.append("Temperature must be between 0 and 2.")
        if not 0 < self.top_p <= 1:
            found.append("Top-p must be above 0 and at most 1.")
        if not 8 <= self.max_tokens <= 256:
            found.append("The longest answer must be between 8 and 256 tokens.")
        return found

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Sampling":
        try:
            return cls(
                temperature=float(value["temperature"]),
                top_p=float(value["top_p"]),
                max_tokens=int(value["max_tokens"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError):
            raise Refused("Sampling needs the numbers temperature, top_p and max_tokens.") from None


@dataclass(frozen=True)
class ServedModel:
    """What vLLM is asked for: the base model's name, or a version's own adapter name."""

    base: str
    name: str
    adapter_folder: Path | None


def plain_model(base: str) -> ServedModel:
    """The base model of this name without an adapter."""
    return ServedModel(base, base, None)


def served_model(version: AgentVersion) -> ServedModel:
    """Needs version.agent.base_model and version.adapter selected."""
    base = version.agent.base_model.served_name
    if version.adapter is None:
        return plain_model(base)
    return ServedModel(base, version.served_name, adapter_folder(version.adapter.digest))


class Inference:
    """A client of one or several vLLM servers, for one event loop.

    A request goes to the server with the fewest requests in flight from here; an adapter is
    loaded on the server that is asked for it.
    """

    def __init__(self, urls: Sequence[str] | None = None, *, api_key: str | None = None) -> None:
        self._urls = list(settings.VLLM_URLS if urls is None else urls)
        key = settings.VLLM_API_KEY if api_key is None else api_key
        timeout = httpx.Timeout(READ_TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS)
        self._http = httpx.AsyncClient(
            timeout=timeout,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            verify=certificates(),
        )
        self._in_flight: Counter[str] = Counter()
        self._failed_at: dict[str, float] = {}
        self._loaded: set[tuple[str, str]] = set()
        self._load_locks: dict[tuple[str, str], asyncio.Lock] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def generate(
        self,
        model: ServedModel,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        on_text: OnText | None = None,
    ) -> Generation:
        """Sample one answer; `on_text` receives each piece of text as it arrives.

        Raises InferenceUnavailable, RequestRefused (prompt too long, ...) or AdapterRefused.
        """

        async def ask(url: str) -> Generation:
            return await self._stream(url, model, messages, sampling, on_text)

        return await self._with_adapter(model, ask)

    async def score_tokens(
        self, model: ServedModel, prompt_ids: Sequence[int], answer_ids: Sequence[int]
    ) -> list[float]:
        """Natural logprob of each answer token after the prompt; one prefill, no sampling.

        On a CPU, the server must keep lm_head out of its LoRA targets, or this request crashes
        the engine (docs/decisions/lora-shape.md). Raises as `generate` does.
        """
        body = {
            "model": model.name,
            "prompt": [*prompt_ids, *answer_ids],
            "max_tokens": 1,
            "prompt_logprobs": 0,
        }

        async def ask(url: str) -> list[float]:
            response = await self._post(url, "/v1/completions", body)
            if response.status_code != 200:
                raise_for(response)
            return logprobs_of(response, answer_ids)

        return await self._with_adapter(model, ask) if answer_ids else []

    async def _with_adapter(
        self, model: ServedModel, ask: Callable[[str], Awaitable[Result]]
    ) -> Result:
        """The least busy server's reply, with the model's adapter loaded there."""
        async with self._server() as url:
            await self._ensure_loaded(url, model)
            try:
                return await ask(url)
            except ModelNotFound:
                # The server was restarted and no longer has its adapters.
                self._loaded.discard((url, model.name))
                await self._ensure_loaded(url, model)
                try:
                    return await ask(url)
                except ModelNotFound:
                    raise InferenceUnavailable(f"{model.name} is not served") from None

    async def ensure_adapter(self, model: ServedModel) -> None:
        """Load the adapter on every server that answers, so that a refusal shows before anybody plays.

        Raises AdapterRefused, or InferenceUnavailable if none answers.
        """
        faults = []
        for url in self._urls:
            try:
                await self._ensure_loaded(url, model)
            except InferenceUnavailable as error:
                faults.append(error)
        if len(faults) == len(self._urls):
            raise faults[0]

    async def continue_ids(
        self, model: ServedModel, ids: Sequence[int], sampling: Sampling
    ) -> Continuation:
        """Let the model continue after these tokens, which need not end a turn.

        Raises as `generate` does.
        """
        body = {
            "model": model.name,
            "prompt": list(ids),
            **sampling.as_json(),
            "return_token_ids": True,
        }

        async def ask(url: str) -> Continuation:
            response = await self._post(url, "/v1/completions", body, timeout=READ_TIMEOUT_SECONDS)
            if response.status_code != 200:
                raise_for(response)
            return continuation_of(response)

        return await self._with_adapter(model, ask)

    async def count_tokens(self, model_name: str, text: str) -> list[int]:
        """Token ids of the text alone, without special tokens."""
        body = {"prompt": neutralised(text), "add_special_tokens": False}
        return await self._tokenize(model_name, body)

    async def chat_ids(self, model_name: str, messages: Sequence[Message]) -> list[int]:
        """Token ids of the messages and the start of the assistant's turn."""
        return await self._tokenize(model_name, {"messages": _neutral(messages)})

    async def _tokenize(self, model_name: str, body: Mapping[str, Any]) -> list[int]:
        async with self._server() as url:
            response = await self._post(url, "/tokenize", {"model": model_name, **body})
            if response.status_code != 200:
                raise InferenceUnavailable(f"tokenize answered {response.status_code}")
            return tokens_of(response)

    @asynccontextmanager
    async def _server(self) -> AsyncIterator[str]:
        """The URL to ask, counted as busy; after a fault inside the block the server rests."""
        rested = time.monotonic() - REST_SECONDS

        def preference(url: str) -> tuple[bool, int, float]:
            failed_at = self._failed_at.get(url, 0.0)
            # Among equals the one that failed last comes last, so that retries reach every server.
            return failed_at > rested, self._in_flight[url], failed_at

        url = min(self._urls, key=preference)
        self._in_flight[url] += 1
        try:
            yield url
        except InferenceUnavailable:
            self._failed_at[url] = time.monotonic()
            raise
        finally:
            self._in_flight[url] -= 1

    async def _ensure_loaded(self, url: str, model: ServedModel) -> None:
        if model.adapter_folder is None or (url, model.name) in self._loaded:
            return
        async with self._load_locks.setdefault((url, model.name), asyncio.Lock()):
            if (url, model.name) in self._loaded:
                return
            body = {"lora_name": model.name, "lora_path": str(model.adapter_folder)}
            response = await self._post(url, "/v1/load_lora_adapter", body)
            already = response.status_code == 400 and "already been loaded" in response.text
            if response.status_code != 200 and not already:
                if not await self._is_a_refusal(url, response):
                    raise InferenceUnavailable(f"loading answered {response.status_code}")
                # The server's words name files of its machine: they are for the log.
                log.warning("adapter_refused", model=model.name, said=message_of(response))
                raise AdapterRefused("The inference server refused this agent's adapter.")
            self._loaded.add((url, model.name))

    async def _is_a_refusal(self, url: str, response: httpx.Response) -> bool:
        """vLLM answers 500 to a file that it cannot read, and to everything once it is dead."""
        if response.status_code != 500:
            return response.status_code in {400, 404, 422}
        try:
            health = await self._http.get(f"{url}/health", timeout=CONNECT_TIMEOUT_SECONDS)
        except httpx.HTTPError:
            return False
        return health.status_code == 200

    async def _post(
        self,
        url: str,
        path: str,
        body: Mapping[str, Any],
        *,
        timeout: float = LOAD_TIMEOUT_SECONDS,
    ) -> httpx.Response:
        try:
            limits = httpx.Timeout(timeout, connect=CONNECT_TIMEOUT_SECONDS)
            return await self._http.post(url + path, json=body, timeout=limits)
        except httpx.HTTPError as error:
            raise InferenceUnavailable(f"{type(error).__name__} at {path}") from error

    async def _stream(
        self,
        url: str,
        model: ServedModel,
        messages: Sequence[Message],
        sampling: Sampling,
        on_text: OnText | None,
    ) -> Generation:
        body = {
            "model": model.name,
            "messages": _neutral(messages),
            **sampling.as_json(),
            "stream": True,
            "logprobs": True,
            "return_token_ids": True,
        }
        started = time.monotonic()
        answer = StreamedAnswer()
        try:
            async with self._http.stream(
                "POST", f"{url}/v1/chat/completions", json=body
            ) as response:
                if response.status_code != 200:
                    await response.aread()
                    raise_for(response)
                async for line in response.aiter_lines():
                    if not line.startswith("data: ") or line == "data: [DONE]":
                        continue
                    piece = answer.add(json.loads(line[6:]), time.monotonic() - started)
                    if piece and on_text:
                        await on_text(piece)
        except (httpx.HTTPError, json.JSONDecodeError) as error:
            raise InferenceUnavailable(f"{type(error).__name__} while answering") from error
        if not answer.finish_reason:
            raise InferenceUnavailable("the answer was cut off")
        return Generation(
            text=answer.text,
            prompt_token_ids=answer.prompt_token_ids,
            token_ids=answer.token_ids,
            logprobs=answer.logprobs,
            chunk_times=answer.chunk_times,
            finish_reason=answer.finish_reason,
            seconds=time.monotonic() - started,
        )


@cache
def certificates() -> ssl.SSLContext:
    """Reading the system's certificates takes 20 ms: once is enough."""
    return ssl.create_default_context()


def _neutral(messages: Sequence[Message]) -> list[Message]:
    return [
        {"role": message["role"], "content": neutralised(message["content"])}
        for message in messages
    ]
