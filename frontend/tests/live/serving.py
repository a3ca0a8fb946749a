"""The product's ASGI application on a port of its own, in a thread of the test."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import uvicorn
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.db import connection

from arena.config.asgi import application
from arena.live import stream


@contextlib.contextmanager
def serving() -> Iterator[int]:
    """The port, while it is served."""
    stream.hub.cache_clear()
    config = uvicorn.Config(
        ASGIStaticFilesHandler(application), port=0, log_level="warning", lifespan="off"
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    started = threading.Event()
    ports: list[int] = []

    async def serve() -> None:
        running = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        ports.append(server.servers[0].sockets[0].getsockname()[1])
        started.set()
        await running

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    try:
        assert started.wait(timeout=30)
        yield ports[0]
    finally:
        server.force_exit = server.should_exit = True
        thread.join(timeout=30)
        stream.hub.cache_clear()


@contextlib.contextmanager
def pool_of(size: int) -> Iterator[None]:
    """As many connections to the database as that, for the whole process."""
    database: Any = connection
    options = database.settings_dict["OPTIONS"]
    database.close()
    database.close_pool()
    before = options["pool"]
    options["pool"] = {"min_size": 0, "max_size": size, "timeout": 5}
    try:
        yield
    finally:
        database.close()
        database.close_pool()
        options["pool"] = before
