"""vLLM servers: which one is asked, and which adapters it has loaded."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
import structlog
from django.conf import settings

from agents.adapters.store import adapter_folder
from agents.errors import Refused
from agents.inference.replies import InferenceUnavailable, ModelNotFound, message_of
from agents.inference.table import ServerTable, shared_servers
from agents.inference.tls import certificates
from agents.models import AgentVersion

log = structlog.get_logger(__name__)

CONNECT_TIMEOUT_SECONDS = 5.0
READ_TIMEOUT_SECONDS = 120.0  # between two chunks; the first request compiles for about 20 s
LOAD_TIMEOUT_SECONDS = 60.0
# For how long a server that failed is asked last, so that another one answers.
REST_SECONDS = 30.0

Result = TypeVar("Result")


class AdapterRefused(Refused):
    """The server declined to load the adapter."""


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
    """Needs version.agent.base_model and version.adapter selected. Raises AdapterRefused."""
    base = version.agent.base_model.served_name
    if version.adapter is None:
        return plain_model(base)
    if version.adapter.base_model_id != version.agent.base_model_id:
        # vLLM itself may take it without a word: docs/decisions/many-bases.md
        raise AdapterRefused(f"{version} has an adapter of another base model.")
    return ServedModel(base, version.served_name, adapter_folder(version.adapter.digest))


class Servers:
    """One or several vLLM servers of each base model, for one event loop.

    A request goes to the server of its base with the fewest requests in flight from here; an
    adapter is loaded on the server that is asked for it. Without `servers`: those of VLLM_URL,
    whatever they can do.
    """

    def __init__(
        self, servers: ServerTable | Sequence[str] | None = None, *, api_key: str | None = None
    ) -> None:
        if servers is None:
            servers = shared_servers()
        self._table = servers if isinstance(servers, ServerTable) else ServerTable(servers)
        key = settings.VLLM_API_KEY if api_key is None else api_key
        timeout = httpx.Timeout(READ_TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS)
        self._http = httpx.AsyncClient(
            timeout=timeout,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            verify=certificates(),
            trust_env=False,  # a proxy for the internet must not see its key and people's prompts
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

    async def _with_adapter(
        self, model: ServedModel, ask: Callable[[str], Awaitable[Result]]
    ) -> Result:
        """The least busy server's reply, with the model's adapter loaded there."""
        async with self._server(model.base) as url:
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
        urls = self._urls(model.base)
        for url in urls:
            try:
                await self._ensure_loaded(url, model)
            except InferenceUnavailable as error:
                faults.append(error)
        if len(faults) == len(urls):
            raise faults[0]

    def _urls(self, base: str) -> list[str]:
        if urls := self._table.urls(base):
            return urls
        raise InferenceUnavailable(f"nothing serves {base}: {self._table.refusal(base)}")

    @asynccontextmanager
    async def _server(self, base: str) -> AsyncIterator[str]:
        """The URL to ask, counted as busy; after a fault inside the block the server rests."""
        rested = time.monotonic() - REST_SECONDS

        def preference(url: str) -> tuple[bool, int, float]:
            failed_at = self._failed_at.get(url, 0.0)
            # Among equals the one that failed last comes last, so that retries reach every server.
            return failed_at > rested, self._in_flight[url], failed_at

        url = min(self._urls(base), key=preference)
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
