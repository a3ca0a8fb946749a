"""Live sockets of training runs."""

import asyncio

import pytest
from asgiref.testing import ApplicationCommunicator
from channels.routing import URLRouter

from arena.live import stream
from arena.live.consumers import CLOSE_NOT_FOUND
from training.consumers import run_sockets


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("run_id", ["1", "9" * 30])
def test_a_run_that_does_not_exist_costs_no_subscription(run_id: str) -> None:
    async def scenario() -> None:
        stream.hub.cache_clear()
        scope = {"type": "websocket", "path": f"/ws/runs/{run_id}/", "query_string": b""}
        socket = ApplicationCommunicator(URLRouter(run_sockets), scope)
        await socket.send_input({"type": "websocket.connect"})
        assert (await socket.receive_output(5))["type"] == "websocket.accept"
        closed = await socket.receive_output(5)
        assert (closed["type"], closed["code"]) == ("websocket.close", CLOSE_NOT_FOUND)
        await socket.send_input({"type": "websocket.disconnect", "code": CLOSE_NOT_FOUND})
        await socket.wait(5)

    asyncio.run(scenario())
