"""Sockets of spectators, and what goes on in Valkey, for tests."""

import asyncio
import json
from typing import Any

import redis.asyncio
from asgiref.testing import ApplicationCommunicator
from channels.routing import URLRouter
from django.conf import settings

from agents.errors import NotAvailable
from arena.live.consumers import match_sockets
from arena.live.painter import Drawing
from arena.queries import match_snapshot
from arena.states import RoundStatus


def drawn(match_id: int, after: int) -> Drawing:
    """Instead of the page's own drawing: which rounds changed, without their HTML."""
    snapshot = match_snapshot(match_id)
    return Drawing(
        seq=snapshot.seq,
        is_over=not snapshot.is_live,
        playing=frozenset(
            number
            for number, state in enumerate(snapshot.round_states, start=1)
            if state == RoundStatus.PLAYING
        ),
        decided=frozenset(),
        summary="",
        rounds={
            number: f"after {after}"
            for number, last in enumerate(snapshot.round_seqs, start=1)
            if last > after
        },
    )


def drawn_round(match_id: int, number: int, seq: int) -> str:
    """Instead of the page's own."""
    if number > match_snapshot(match_id).round_count:
        raise NotAvailable("There is no such round.")
    return f"round {number} at {seq}"


APPLICATION = URLRouter(match_sockets(drawn, drawn_round))


class Socket:
    """A spectator's WebSocket against the ASGI application (Channels' own needs daphne)."""

    def __init__(
        self, path: str, *, address: str = "127.0.0.1", routes: URLRouter = APPLICATION
    ) -> None:
        path, _, query = path.partition("?")
        scope = {
            "type": "websocket",
            "path": path,
            "query_string": query.encode(),
            "client": (address, 1),
        }
        self._asgi = ApplicationCommunicator(routes, scope)

    async def connect(self) -> None:
        await self._asgi.send_input({"type": "websocket.connect"})
        assert (await self._asgi.receive_output(5))["type"] == "websocket.accept"

    async def say(self, text: str) -> None:
        await self._asgi.send_input({"type": "websocket.receive", "text": text})

    async def output(self) -> dict[str, Any]:
        return dict(await self._asgi.receive_output(5))

    async def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (await self.output())["text"].split("\n")]

    async def close(self) -> None:
        await self._asgi.send_input({"type": "websocket.disconnect", "code": 1000})
        await self._asgi.wait(5)


async def lines_of(queue: "asyncio.Queue[str]") -> list[dict[str, Any]]:
    text = await asyncio.wait_for(queue.get(), timeout=5)
    return [json.loads(line) for line in text.split("\n")]


async def cut_subscriptions() -> None:
    async with redis.asyncio.Redis.from_url(settings.VALKEY_URL) as client:
        await client.client_kill_filter(_type="pubsub", skipme=True)


async def subscribers(channel: str) -> int:
    async with redis.asyncio.Redis.from_url(settings.VALKEY_URL) as client:
        return int((await client.pubsub_numsub(channel))[0][1])
