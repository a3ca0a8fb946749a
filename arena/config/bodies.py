"""How large a request may be, and how many may fill the disk at once.

Django writes each body to the disk before it looks at the request, whoever sends it. What an owner
downloads is written there first, too, and stays until its reader has it.
"""

import asyncio
import contextlib
import errno
import json
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from django.http import HttpRequest
from django.template.loader import render_to_string

from arena.live.audience import LOCAL, network_of
from frontend.openai.errors import EndpointError

MAX_BODY_BYTES = 2_000_000  # forms and JSON; Django itself reads less than this of them
MAX_UPLOAD_BYTES = 500_000_000  # of an adapter: each base model's own bound is narrower
# Read and thrown away, so that whoever sends it gets the answer and not a broken connection.
MAX_DRAINED_BYTES = 2_000_000_000

# Of each process. An upload may fill the disk with MAX_UPLOAD_BYTES before anybody looks at who
# sends it, a download with an adapter or all pairs of an agent.
MAX_UPLOADS_AT_ONCE, MAX_UPLOADS_OF_NETWORK = 8, 2
MAX_DOWNLOADS_AT_ONCE, MAX_DOWNLOADS_OF_NETWORK = 16, 4
IDLE_SECONDS = 60.0  # without a piece of the body
UPLOAD_SECONDS = 1800.0  # for all of it: whoever drips holds a place no longer
DRAIN_SECONDS = 30.0

_UPLOADS = re.compile(r"/agents/\d+/upload/|/api/v1/agents/\d+/adapters")
_DOWNLOADS = re.compile(
    r"/agents/\d+/(pairs\.jsonl|groups\.jsonl|versions/\d+/adapter\.zip)"
    r"|/api/v1/agents/\d+/(pairs|groups|versions/\d+/adapter)"
)
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)

Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Receive, Send], Awaitable[None]]

log = structlog.get_logger(__name__)


class TooLarge(Exception):
    """The body has more bytes than its path allows."""


class BodyLimit:
    """An ASGI application in front of the pages."""

    def __init__(self, pages: Application) -> None:
        self._pages = pages
        self._uploads = _Places("uploads", MAX_UPLOADS_AT_ONCE, MAX_UPLOADS_OF_NETWORK)
        self._downloads = _Places("downloads", MAX_DOWNLOADS_AT_ONCE, MAX_DOWNLOADS_OF_NETWORK)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        method, places, limit = scope.get("method"), None, MAX_BODY_BYTES
        if method == "POST" and _UPLOADS.fullmatch(scope["path"]):
            places, limit = self._uploads, MAX_UPLOAD_BYTES
        elif method in {"GET", "HEAD"} and _DOWNLOADS.fullmatch(scope["path"]):
            places = self._downloads
        if places is None:
            await self._limited(scope, receive, send, limit)
            return
        network = network_of((scope.get("client") or [""])[0])
        if not places.take(network):
            sentence = f"Too many {places.noun} are under way. Try again soon."
            await _answer(scope, send, 503, sentence)
            return
        try:
            await self._limited(scope, receive, send, limit)
        finally:
            places.give_back(network)

    async def _limited(self, scope: Any, receive: Receive, send: Send, limit: int) -> None:
        body = _Body(receive, limit)
        try:
            if _declared(scope) > limit:
                raise TooLarge
            await self._pages(scope, body.receive, send)
        except TooLarge:
            await body.drain()
            sentence = f"This is larger than {limit:,} bytes, more than can be sent here."
            await _answer(scope, send, 413, sentence)
        except TimeoutError:
            if body.is_read:
                raise
            sentence = "The rest did not come in time. Nothing was kept."
            await _answer(scope, send, 408, sentence)
        except OSError as error:
            if error.errno not in _NO_ROOM or body.is_read:
                raise
            log.exception("body_not_written", path=scope["path"])
            await body.drain()
            sentence = "The server has no room on its disk to take this. Nothing was kept; try again later."
            await _answer(scope, send, 503, sentence)


class _Places:
    """So many at once, of all networks and of each."""

    def __init__(self, noun: str, at_once: int, of_network: int) -> None:
        self.noun = noun
        self._at_once, self._of_network = at_once, of_network
        self._under_way: Counter[str] = Counter()

    def take(self, network: str) -> bool:
        # A proxy on this machine that does not pass addresses on stands for everybody.
        has_many = network != LOCAL and self._under_way[network] >= self._of_network
        if has_many or self._under_way.total() >= self._at_once:
            return False
        self._under_way[network] += 1
        return True

    def give_back(self, network: str) -> None:
        self._under_way[network] -= 1


class _Body:
    """Counts what is received."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._received = 0
        self._ends = time.monotonic() + UPLOAD_SECONDS
        self.is_read = False

    async def receive(self) -> Message:
        left = self._ends - time.monotonic()
        async with asyncio.timeout(None if self.is_read else min(IDLE_SECONDS, left)):
            message = await self._receive()
        self._received += len(message.get("body", b""))
        self.is_read = not message.get("more_body", False)
        if self._received > self._limit:
            raise TooLarge
        return message

    async def drain(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while not self.is_read and self._received <= MAX_DRAINED_BYTES:
                    message = await self._receive()
                    self._received += len(message.get("body", b""))
                    self.is_read = not message.get("more_body", False)


def _declared(scope: Any) -> int:
    """The length that the request says it has; 0 if it does not say."""
    length = dict(scope["headers"]).get(b"content-length", b"")
    return int(length) if length.isdigit() and len(length) < 20 else 0


async def _answer(scope: Any, send: Send, status: int, sentence: str) -> None:
    if scope["path"].startswith("/api/"):
        body, content_type = json.dumps({"detail": sentence}), "application/json"
    elif scope["path"].startswith("/v1/"):
        body, content_type = json.dumps(EndpointError(status, sentence).body), "application/json"
    else:
        context = {"request": HttpRequest(), "status": status, "sentence": sentence}
        body, content_type = render_to_string("413.html", context), "text/html; charset=utf-8"
    content = body.encode()
    headers = [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(content)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
