"""How large a request may be: one that is too large is refused before it fills the disk.

Django writes each body to the disk before it looks at the request, whoever sends it.
"""

import asyncio
import errno
import json
import re
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

# Each may fill the disk with MAX_UPLOAD_BYTES before anybody looks at who sends it.
MAX_UPLOADS_AT_ONCE, MAX_UPLOADS_OF_NETWORK = 8, 2
IDLE_SECONDS = 60.0  # without a piece of the body

_UPLOADS = re.compile(r"/agents/\d+/upload/|/api/v1/agents/\d+/adapters")
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
        self._uploads: Counter[str] = Counter()  # under way, by network

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope.get("method") != "POST" or not _UPLOADS.fullmatch(scope["path"]):
            await self._limited(scope, receive, send, MAX_BODY_BYTES)
            return
        network = network_of((scope.get("client") or [""])[0])
        under_way = self._uploads
        # A proxy on this machine that does not pass addresses on stands for everybody.
        has_many = network != LOCAL and under_way[network] >= MAX_UPLOADS_OF_NETWORK
        if has_many or under_way.total() >= MAX_UPLOADS_AT_ONCE:
            await _answer(scope, send, 503, "Too many uploads are under way. Try again soon.")
            return
        under_way[network] += 1
        try:
            await self._limited(scope, receive, send, MAX_UPLOAD_BYTES)
        finally:
            under_way[network] -= 1

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
            sentence = f"Nothing more came within {IDLE_SECONDS:.0f} seconds. Nothing was kept."
            await _answer(scope, send, 408, sentence)
        except OSError as error:
            if error.errno not in _NO_ROOM or body.is_read:
                raise
            log.exception("body_not_written", path=scope["path"])
            await body.drain()
            sentence = "The server has no room on its disk to take this. Nothing was kept; try again later."
            await _answer(scope, send, 503, sentence)


class _Body:
    """Counts what is received."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._received = 0
        self.is_read = False

    async def receive(self) -> Message:
        async with asyncio.timeout(None if self.is_read else IDLE_SECONDS):
            message = await self._receive()
        self._received += len(message.get("body", b""))
        self.is_read = not message.get("more_body", False)
        if self._received > self._limit:
            raise TooLarge
        return message

    async def drain(self) -> None:
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
