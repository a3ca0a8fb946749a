"""WebSocket edges of live matches, read-only and open to anybody."""

import asyncio
import contextlib
import json
import random
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any
from urllib.parse import parse_qs

import redis
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import DatabaseError
from django.urls import path

from agents.errors import NotAvailable
from arena.live import stream
from arena.live.audience import LOCAL, Audience
from arena.live.painter import Draw, DrawRound, Painter

# A line at least so often: a page takes silence of 30 s for a dead connection (live_socket.ts).
PULSE_SECONDS = 15.0
FEW_SECONDS = stream.FRAME_INTERVAL_SECONDS  # a smaller audience is told of each frame at once
ROUNDS_PER_SECOND = 10  # that one page may ask for
MAX_ASKED_CHARACTERS = 64
CLOSE_OVER = 1000
CLOSE_TRY_AGAIN = 1013
CLOSE_NOT_FOUND = 4404
audience = Audience()
dice = random.Random()


class LiveConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """Sends lines until what they are about is over; subclasses say which, and what comes first."""

    _pump_task: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        await self.accept()
        if not audience.has_place(self.address):
            await self.close(CLOSE_TRY_AGAIN)
            return
        self._pump_task = asyncio.create_task(self._pump())

    async def disconnect(self, code: int) -> None:
        if self._pump_task:
            await _ended(self._pump_task)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Nothing that a page says changes anything."""

    def watch(self) -> AbstractAsyncContextManager["asyncio.Queue[str]"]:
        """The queue of lines. Raises NotAvailable when it is entered."""
        raise NotImplementedError

    async def beginning(self) -> list[str]:
        """What a newcomer needs before the live lines; asked for once they are being collected."""
        raise NotImplementedError

    async def _pump(self) -> None:
        with audience.seat(self.address):
            try:
                async with self.watch() as queue:
                    code = await self._send_all(queue)
                await self.close(code)
            except NotAvailable:
                await self.close(CLOSE_NOT_FOUND)
            except (redis.RedisError, DatabaseError):
                await self.close(CLOSE_TRY_AGAIN)

    async def _send_all(self, queue: "asyncio.Queue[str]") -> int:
        """Send until there is a reason to close, whose code comes back."""
        lines: Sequence[str] = await self.beginning()
        while True:
            if lines:
                await self.send(text_data="\n".join(lines))
            if stream.RESYNC in lines:
                return CLOSE_TRY_AGAIN
            if stream.OVER in lines:
                return CLOSE_OVER
            lines = await _news(queue)

    @property
    def row_id(self) -> int:
        return int(self.scope["url_route"]["kwargs"]["pk"])

    @property
    def address(self) -> str:
        """The spectator's address; behind a trusted proxy, the address that the proxy reports."""
        client = self.scope.get("client")
        return str(client[0]) if client else LOCAL


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    # RuntimeError: the web server closed the socket while the task was sending.
    with contextlib.suppress(asyncio.CancelledError, RuntimeError):
        await task


async def _news(queue: "asyncio.Queue[str]") -> Sequence[str]:
    """The lines to send next; a pulse if there are none for long."""
    loop = asyncio.get_running_loop()
    until = loop.time() + PULSE_SECONDS
    # Each of a large audience looks now and then, by chance: if a line woke all of them at once,
    # everything else would be held up.
    while (longest := 2 * audience.turn_seconds) > FEW_SECONDS:
        await asyncio.sleep(dice.uniform(0, longest))
        if lines := stream.waiting(queue):
            return lines
        if loop.time() > until:
            return [stream.PULSE]
    try:
        async with asyncio.timeout_at(until):
            first = await queue.get()
    except TimeoutError:
        return [stream.PULSE]
    return [first, *stream.waiting(queue)]


class NoSuchSocket(AsyncWebsocketConsumer):  # type: ignore[misc]
    """At every path that is no other's."""

    async def connect(self) -> None:
        await self.close()


class MatchConsumer(LiveConsumer):
    """/ws/matches/<id>/?after=<seq>: what changed after seq, the text in progress, then live.

    A page that says {"round": <number>} gets that round as it is now.
    """

    def __init__(self, *, painter: Painter) -> None:
        super().__init__()
        self._painter = painter
        self._wanted_round: int | None = None
        self._answer_task: asyncio.Task[None] | None = None

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Answer the last question of a page; those that came meanwhile are out of date."""
        if (number := _asked_round(text_data)) is None or self._pump_task is None:
            return
        self._wanted_round = number
        if self._answer_task is None or self._answer_task.done():
            self._answer_task = asyncio.create_task(self._answer())

    async def disconnect(self, code: int) -> None:
        if self._answer_task:
            await _ended(self._answer_task)
        await super().disconnect(code)

    async def _answer(self) -> None:
        while (number := self._wanted_round) is not None:
            self._wanted_round = None
            # A page that hears nothing asks by HTTP, which says what is wrong.
            with contextlib.suppress(NotAvailable, DatabaseError):
                await self.send(text_data=await self._painter.round_line(self.row_id, number))
            await asyncio.sleep(1 / ROUNDS_PER_SECOND)

    def watch(self) -> AbstractAsyncContextManager["asyncio.Queue[str]"]:
        return self._painter.watch(self.row_id)

    async def beginning(self) -> list[str]:
        query = parse_qs(self.scope["query_string"].decode("ascii", "replace"))
        after = query.get("after", ["0"])[0]
        seq = int(after) if after.isdecimal() and len(after) < 10 else 0
        drawing = await self._painter.draw(self.row_id, after=seq)
        lines = [json.dumps({"t": "hello", "seq": drawing.seq})]
        if drawing.seq > seq:
            lines.append(drawing.line)
        if drawing.is_over:
            lines.append(stream.OVER)
        return lines + await self._painter.text_in_progress(self.row_id, drawing)


def _asked_round(said: str | None) -> int | None:
    """The number in {"round": <number>}; None if a page says anything else."""
    try:
        asked = json.loads(said) if said and len(said) <= MAX_ASKED_CHARACTERS else None
    except ValueError:
        return None
    number = asked.get("round") if isinstance(asked, dict) else None
    return number if type(number) is int and 0 < number < 1000 else None


def match_sockets(draw: Draw, draw_round: DrawRound) -> list[Any]:
    """The routes; these make the HTML that all spectators of a match get."""
    consumer = MatchConsumer.as_asgi(painter=Painter(draw, draw_round))
    return [path("ws/matches/<int:pk>/", consumer)]
