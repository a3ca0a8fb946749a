"""WebSocket edge of live training runs."""

from typing import Any

from channels.db import database_sync_to_async
from django.urls import path

from arena.live import stream
from arena.live.consumers import LiveConsumer
from training.runs import queries


class RunConsumer(LiveConsumer):
    """/ws/runs/<id>/: a nudge for each change to a run; the page then fetches what it may show."""

    async def channel(self) -> str:
        # Each watched channel costs the process a connection, so only real runs get one.
        await database_sync_to_async(queries.run_for_viewer)(self.row_id)
        return stream.run_channel(self.row_id)


run_sockets: list[Any] = [
    path("ws/runs/<int:pk>/", RunConsumer.as_asgi()),
]
