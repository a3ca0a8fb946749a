"""WebSocket edge of live training runs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from channels.db import database_sync_to_async
from django.urls import path

from arena.live import stream
from arena.live.consumers import LiveConsumer
from training.runs import queries
from training.states import RunStatus


class RunConsumer(LiveConsumer):
    """/ws/runs/<id>/: a nudge for each change to a run; the page then fetches what it may show."""

    @contextlib.asynccontextmanager
    async def watch(self) -> AsyncIterator["asyncio.Queue[str]"]:
        await self._status()  # only real runs get a subscription
        async with stream.hub().watch(stream.run_channel(self.row_id)) as queue:
            yield queue

    async def beginning(self) -> list[str]:
        return [stream.OVER] if (await self._status()).is_final else []

    async def _status(self) -> RunStatus:
        status: RunStatus = await database_sync_to_async(queries.run_status)(self.row_id)
        return status


run_sockets: list[Any] = [
    path("ws/runs/<int:pk>/", RunConsumer.as_asgi()),
]
