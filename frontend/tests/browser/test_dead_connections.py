"""A live page whose connection is dead without saying so."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from playwright.sync_api import expect

from arena.config.asgi import application
from arena.live import stream
from arena.matches import play
from arena.tests.builders import make_match
from frontend.tests.browser.conftest import Watched

SILENCE_MS = 31_000
LONGEST_RETRY_MS = 16_000


class Relay:
    """A product on a port of its own, behind a wire that can be frozen: open, and mute."""

    def __init__(self) -> None:
        self.is_frozen = threading.Event()  # for connections from before
        self.refuses = threading.Event()  # new ones
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._server = uvicorn.Server(
            uvicorn.Config(
                ASGIStaticFilesHandler(application), port=0, log_level="warning", lifespan="off"
            )
        )
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._run()))
        self._thread.start()
        assert self._ready.wait(timeout=30)

    async def _run(self) -> None:
        self._server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        serving = asyncio.create_task(self._server.serve())
        while not self._server.started:
            await asyncio.sleep(0.01)
        (inner,) = self._server.servers[0].sockets
        relay = await asyncio.start_server(
            lambda reader, writer: self._join(reader, writer, inner.getsockname()[1]),
            "127.0.0.1",
            0,
        )
        self.url = f"http://127.0.0.1:{relay.sockets[0].getsockname()[1]}"
        self._ready.set()
        await serving
        relay.close()

    async def _join(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int
    ) -> None:
        if self.refuses.is_set():
            writer.close()
            return
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
        is_old = not self.is_frozen.is_set()

        async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                while piece := await source.read(65536):
                    if is_old and self.is_frozen.is_set():
                        continue  # lost, while both ends believe in the connection
                    target.write(piece)
                    await target.drain()
                if not (is_old and self.is_frozen.is_set()):
                    target.close()

        await asyncio.gather(carry(reader, there_writer), carry(there_reader, writer))

    def stop(self) -> None:
        self._server.force_exit = self._server.should_exit = True
        self._thread.join(timeout=30)


@pytest.fixture
def relay() -> Iterator[Relay]:
    stream.hub.cache_clear()
    running = Relay()
    yield running
    running.stop()
    stream.hub.cache_clear()


@pytest.fixture
def match_id() -> int:
    match = make_match()
    play.start_match(match.id)
    return match.id


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_connection_that_is_frozen_is_noticed_and_replaced(
    match_id: int, relay: Relay, watched: Watched
) -> None:
    page = watched.page
    page.clock.install()
    page.goto(f"{relay.url}/matches/{match_id}/")
    label = page.locator("[data-connection-label]")
    expect(label).to_have_text("Connected")
    relay.refuses.set()
    relay.is_frozen.set()
    page.clock.fast_forward(SILENCE_MS)
    expect(label).to_have_text("Reconnecting")
    relay.refuses.clear()
    page.clock.fast_forward(LONGEST_RETRY_MS)
    expect(label).to_have_text("Connected")


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_page_from_the_back_forward_cache_connects_again(
    match_id: int, relay: Relay, watched: Watched
) -> None:
    page = watched.page
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    page.goto(f"{relay.url}/matches/{match_id}/")
    label = page.locator("[data-connection-label]")
    expect(label).to_have_text("Connected")
    with page.expect_websocket():
        for event in ("pagehide", "pageshow"):
            page.evaluate(f"dispatchEvent(new PageTransitionEvent('{event}', {{persisted: true}}))")
    expect(label).to_have_text("Connected")
    assert len(sockets) == 2
