"""WebSocket edge of live training runs."""

from typing import Any

from django.urls import path

from arena import stream
from arena.consumers import LiveConsumer


class RunConsumer(LiveConsumer):
    """/ws/runs/<id>/: a nudge for each change of a run; the page fetches what it may show."""

    async def channel(self) -> str:
        return stream.run_channel(self.row_id)


websocket_urlpatterns: list[Any] = [
    path("ws/runs/<int:pk>/", RunConsumer.as_asgi()),
]
