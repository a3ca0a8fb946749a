"""WebSocket edges of live matches, read-only and open to anybody."""

import asyncio
import contextlib
import json
from collections import Counter
from typing import Any
from urllib.parse import parse_qs

import redis
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import DatabaseError
from django.urls import path

from agents.errors import NotAvailable
from arena import access
from arena.live import stream
from arena.models import MatchEvent, Round, RoundStatus

MAX_SPECTATORS = 5_000  # sockets of one web process
MAX_OF_ADDRESS = 250  # of them from one address: enough for a school, too few to shut others out
# A line at least so often: a page takes silence of 30 s for a dead connection (live_socket.ts).
PULSE_SECONDS = 15.0
LOCAL = "127.0.0.1"
CLOSE_TRY_AGAIN = 1013
CLOSE_NOT_FOUND = 4404
_watching: Counter[str] = Counter()  # by address


class LiveConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """Sends a channel's lines; subclasses say which channel, and what comes first."""

    _pump_task: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        await self.accept()
        if not _has_place(self.address):
            await self.close(CLOSE_TRY_AGAIN)
            return
        self._pump_task = asyncio.create_task(self._pump())

    async def disconnect(self, code: int) -> None:
        if self._pump_task:
            self._pump_task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._pump_task

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Spectators only listen."""

    async def channel(self) -> str:
        """The Valkey channel to watch. Raises NotAvailable."""
        raise NotImplementedError

    async def send_beginning(self) -> None:
        """What a newcomer needs before the live lines."""

    async def _pump(self) -> None:
        address = self.address
        _watching[address] += 1
        try:
            async with stream.hub().watch(await self.channel()) as queue:
                await self.send_beginning()
                while True:
                    try:
                        lines = await asyncio.wait_for(queue.get(), PULSE_SECONDS)
                    except TimeoutError:
                        lines = stream.PULSE
                    await self.send(text_data=lines)
                    if lines == stream.RESYNC:
                        await self.close(CLOSE_TRY_AGAIN)
                        return
        except NotAvailable:
            await self.close(CLOSE_NOT_FOUND)
        except (redis.RedisError, DatabaseError):
            await self.close(CLOSE_TRY_AGAIN)
        finally:
            _watching[address] -= 1
            if not _watching[address]:
                del _watching[address]

    @property
    def row_id(self) -> int:
        return int(self.scope["url_route"]["kwargs"]["pk"])

    @property
    def address(self) -> str:
        """The spectator's address; behind a trusted proxy, the address that the proxy reports."""
        client = self.scope.get("client")
        return str(client[0]) if client else LOCAL


def _has_place(address: str) -> bool:
    # No limit for this machine's own user, or for a local proxy that does not pass addresses on.
    is_bounded = address not in (LOCAL, "::1")
    if is_bounded and _watching[address] >= MAX_OF_ADDRESS:
        return False
    return _watching.total() < MAX_SPECTATORS


class MatchConsumer(LiveConsumer):
    """/ws/matches/<id>/?after=<seq>: events after seq, the text in progress, then live."""

    async def channel(self) -> str:
        await database_sync_to_async(access.match_for_viewer)(self.row_id)
        return stream.match_channel(self.row_id)

    async def send_beginning(self) -> None:
        query = parse_qs(self.scope["query_string"].decode("ascii", "replace"))
        after = query.get("after", ["0"])[0]
        seq = int(after) if after.isdecimal() and len(after) < 10 else 0
        lines, playing, last = await database_sync_to_async(_missed)(self.row_id, seq)
        await self.send(text_data=json.dumps({"t": "hello", "seq": last}))
        for number in playing:
            for seat, text in (await stream.hub().live_text(self.row_id, number)).items():
                lines.append(stream.text_message(number, seat, 0, text))
        if lines:
            await self.send(text_data="\n".join(lines))


def _missed(match_id: int, seq: int) -> tuple[list[str], list[int], int]:
    events = list(MatchEvent.objects.filter(match_id=match_id, seq__gt=seq).order_by("seq"))
    playing = Round.objects.filter(match_id=match_id, status=RoundStatus.PLAYING)
    last = events[-1].seq if events else seq
    lines = [stream.event_message(event) for event in events]
    return lines, list(playing.values_list("number", flat=True)), last


match_sockets: list[Any] = [
    path("ws/matches/<int:pk>/", MatchConsumer.as_asgi()),
]
