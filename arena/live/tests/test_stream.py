"""Live fan-out through the real Valkey."""

import asyncio
import contextlib
import json
from typing import Any

import pytest
import redis.asyncio
from asgiref.testing import ApplicationCommunicator
from channels.db import database_sync_to_async
from channels.routing import URLRouter
from django.conf import settings

from arena.live import consumers, stream
from arena.live.consumers import match_sockets
from arena.matches import play
from arena.matches.runner import task_of
from arena.tests.builders import make_match

APPLICATION = URLRouter(match_sockets)


class Socket:
    """A spectator's WebSocket against the ASGI application (Channels' own needs daphne)."""

    def __init__(self, path: str, *, address: str = "127.0.0.1") -> None:
        path, _, query = path.partition("?")
        scope = {
            "type": "websocket",
            "path": path,
            "query_string": query.encode(),
            "client": (address, 1),
        }
        self._asgi = ApplicationCommunicator(APPLICATION, scope)

    async def connect(self) -> None:
        await self._asgi.send_input({"type": "websocket.connect"})
        assert (await self._asgi.receive_output(5))["type"] == "websocket.accept"

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


def test_frames_are_coalesced_and_carry_their_offset() -> None:
    async def scenario() -> None:
        hub = stream.Hub(settings.VALKEY_URL)
        async with hub.watch(stream.match_channel(901)) as queue:
            async with stream.FrameWriter(901, 1) as frames:
                for piece in ("one ", "two ", "three"):
                    frames.write(0, piece)
                await frames.flush()
                frames.write(0, " four")
            first = await lines_of(queue)
            second = await lines_of(queue)
        assert first == [{"t": "text", "round": 1, "seat": 0, "offset": 0, "text": "one two three"}]
        assert second[0]["offset"] == len("one two three")

    asyncio.run(scenario())


def test_a_newcomer_finds_the_text_so_far_and_a_reset_starts_it_again() -> None:
    async def scenario() -> None:
        hub = stream.Hub(settings.VALKEY_URL)
        async with stream.FrameWriter(902, 3) as frames:
            frames.write(1, "wrong start")
            await frames.flush()
            assert await hub.live_text(902, 3) == {1: "wrong start"}
            async with hub.watch(stream.match_channel(902)) as queue:
                frames.reset(1)
                frames.write(1, "right")
                await frames.flush()
                assert [line["t"] for line in await lines_of(queue)] == ["reset", "text"]
            assert await hub.live_text(902, 3) == {1: "right"}
            assert await hub.live_text(902, 4) == {}
            frames.reset(1)
            await frames.flush()
            assert await hub.live_text(902, 3) == {}

    asyncio.run(scenario())


def test_a_reset_that_was_lost_is_sent_again_with_the_whole_text() -> None:
    """Otherwise spectators would see the new answer continue where the old one was cut off."""

    async def scenario() -> None:
        hub = stream.Hub(settings.VALKEY_URL)
        async with (
            hub.watch(stream.match_channel(910)) as queue,
            stream.FrameWriter(910, 1) as frames,
        ):
            frames.reset(0)
            frames.write(0, "new")
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(redis.asyncio.client.Pipeline, "execute", refuse)
                await frames.flush()
            await frames.flush()
            reset, text = await lines_of(queue)
            assert reset["t"] == "reset"
            assert (text["offset"], text["text"]) == (0, "new")

    async def refuse(self: Any) -> None:
        raise redis.ConnectionError

    asyncio.run(scenario())


def test_a_slow_spectator_is_told_to_resync_and_a_quick_one_misses_nothing() -> None:
    async def scenario() -> None:
        hub = stream.Hub(settings.VALKEY_URL)
        channel = stream.match_channel(903)
        async with hub.watch(channel) as slow, hub.watch(channel) as quick:
            received = []
            for number in range(stream.QUEUE_MESSAGES + 10):
                await asyncio.to_thread(stream.publish, channel, str(number))
                received.append(await asyncio.wait_for(quick.get(), timeout=5))
            assert received == [str(n) for n in range(stream.QUEUE_MESSAGES + 10)]
            assert slow.qsize() <= stream.QUEUE_MESSAGES
            assert stream.RESYNC in [slow.get_nowait() for _ in range(slow.qsize())]

    asyncio.run(scenario())


async def cut_subscriptions() -> None:
    async with redis.asyncio.Redis.from_url(settings.VALKEY_URL) as client:
        await client.client_kill_filter(_type="pubsub", skipme=True)


async def subscribers(channel: str) -> int:
    async with redis.asyncio.Redis.from_url(settings.VALKEY_URL) as client:
        return int((await client.pubsub_numsub(channel))[0][1])


def test_a_lost_subscription_tells_everybody_to_resync_and_the_next_one_hears_again() -> None:
    """What was said while the connection was lost is in the rows, but somebody has to fetch it."""

    async def scenario() -> None:
        hub = stream.Hub(settings.VALKEY_URL)
        channel = stream.match_channel(907)
        async with hub.watch(channel) as queue:
            await cut_subscriptions()
            assert await asyncio.wait_for(queue.get(), timeout=10) == stream.RESYNC
            async with hub.watch(channel) as other:
                stream.publish(channel, '{"t": "again"}')
                assert await lines_of(other) == [{"t": "again"}]

    asyncio.run(scenario())


def test_a_newcomer_hears_though_the_last_old_spectator_leaves_while_it_subscribes() -> None:
    async def scenario() -> None:
        hub = stream.Hub(settings.VALKEY_URL)
        channel = stream.match_channel(908)
        old, leaving = hub.watch(channel), asyncio.Event()
        queue = await old.__aenter__()
        await cut_subscriptions()
        assert await asyncio.wait_for(queue.get(), timeout=10) == stream.RESYNC
        subscribe = redis.asyncio.client.PubSub.subscribe

        async def slowly(self: Any, *channels: str) -> None:
            leaving.set()
            await asyncio.sleep(0.05)
            await subscribe(self, *channels)

        async def leave() -> None:
            await leaving.wait()
            await old.__aexit__(None, None, None)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(redis.asyncio.client.PubSub, "subscribe", slowly)
            gone = asyncio.create_task(leave())
            async with hub.watch(channel) as newcomer:
                await gone
                stream.publish(channel, '{"t": "hello"}')
                assert await lines_of(newcomer) == [{"t": "hello"}]

    asyncio.run(scenario())


def test_a_spectator_who_leaves_while_connecting_leaves_no_subscription_behind() -> None:
    async def scenario() -> None:
        hub = stream.Hub(settings.VALKEY_URL)
        channel = stream.match_channel(909)
        subscribed = asyncio.Event()

        async def never(self: Any, **_: Any) -> None:
            subscribed.set()
            await asyncio.Event().wait()

        async def watch() -> None:
            async with hub.watch(channel):
                raise AssertionError("it left before")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(redis.asyncio.client.PubSub, "get_message", never)
            spectator = asyncio.create_task(watch())
            await subscribed.wait()
            spectator.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await spectator
        async with asyncio.timeout(5):
            while await subscribers(channel):
                await asyncio.sleep(0.01)

    asyncio.run(scenario())


def test_one_process_subscribes_once_however_many_watch() -> None:
    async def scenario() -> None:
        hub = stream.Hub(settings.VALKEY_URL)
        channel = stream.match_channel(904)
        async with hub.watch(channel), hub.watch(channel), hub.watch(channel):
            (_, count), *_ = await hub._client.pubsub_numsub(channel)
            assert count == 1

    asyncio.run(scenario())


@pytest.mark.django_db(transaction=True)
def test_a_socket_on_which_nothing_happens_still_gets_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert consumers.PULSE_SECONDS <= 15, "half of what a page takes for a dead connection"
    monkeypatch.setattr(consumers, "PULSE_SECONDS", 0.01)
    match = make_match()

    async def scenario() -> None:
        stream.hub.cache_clear()
        socket = Socket(f"/ws/matches/{match.id}/?after=1")
        await socket.connect()
        assert (await socket.lines())[0]["t"] == "hello"
        for _ in range(3):
            assert await socket.lines() == [{"t": "pulse"}]
        await socket.close()

    asyncio.run(scenario())


def test_a_subscription_that_valkey_never_confirms_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def silent(self: Any, **_: Any) -> None:
        return None

    async def scenario() -> None:
        monkeypatch.setattr(redis.asyncio.client.PubSub, "get_message", silent)
        with pytest.raises(redis.TimeoutError):
            async with stream.Hub(settings.VALKEY_URL).watch(stream.match_channel(911)):
                raise AssertionError("nothing was confirmed")

    asyncio.run(scenario())


@pytest.mark.django_db(transaction=True)
def test_a_socket_resumes_after_its_seq_and_sees_what_is_being_written() -> None:
    match = make_match()
    play.start_match(match.id)
    play.start_round(match.id, number=1, task=task_of(match.id, 1, "constraints"))

    async def scenario() -> None:
        stream.hub.cache_clear()
        async with stream.FrameWriter(match.id, 1) as frames:
            frames.write(0, "so far")
            await frames.flush()
            socket = Socket(f"/ws/matches/{match.id}/?after=2")
            await socket.connect()
            (hello,) = await socket.lines()
            missed = await socket.lines()
            assert hello == {"t": "hello", "seq": 3}
            assert [each["t"] for each in missed] == ["event", "text"]
            assert missed[0]["seq"] == 3
            assert missed[1]["text"] == "so far"
            frames.write(0, ", and more")
            await frames.flush()
            (live,) = await socket.lines()
            assert (live["offset"], live["text"]) == (6, ", and more")
            await database_sync_to_async(play.cancel_match)(match.id, reason="x")
            (end,) = await socket.lines()
            assert (end["seq"], end["kind"]) == (4, "match_cancelled")
            await socket.close()

    asyncio.run(scenario())


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("query", ["after=99999999999999", "after=-1", "after=%00", ""])
def test_a_nonsense_position_starts_from_the_beginning(query: str) -> None:
    match = make_match()

    async def scenario() -> None:
        stream.hub.cache_clear()
        socket = Socket(f"/ws/matches/{match.id}/?{query}")
        await socket.connect()
        assert await socket.lines() == [{"t": "hello", "seq": 1}]
        await socket.close()

    asyncio.run(scenario())


@pytest.mark.django_db(transaction=True)
def test_one_address_does_not_take_everybodys_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "MAX_OF_ADDRESS", 2)
    match = make_match()

    async def watch(address: str) -> tuple[Socket, str]:
        socket = Socket(f"/ws/matches/{match.id}/", address=address)
        await socket.connect()
        return socket, (await socket.output())["type"]

    async def scenario() -> None:
        stream.hub.cache_clear()
        first, second, third = [await watch("203.0.113.5") for _ in range(3)]
        other = await watch("203.0.113.6")
        local = [await watch("127.0.0.1") for _ in range(3)]
        assert [kind for _, kind in (first, second, third, other)] == [
            "websocket.send", "websocket.send", "websocket.close", "websocket.send",
        ]  # fmt: skip
        assert {kind for _, kind in local} == {"websocket.send"}
        await first[0].close()
        again = await watch("203.0.113.5")
        assert again[1] == "websocket.send"
        for socket, _ in (second, other, again, *local):
            await socket.close()
        assert not consumers._watching

    asyncio.run(scenario())


@pytest.mark.django_db(transaction=True)
def test_a_match_that_does_not_exist_closes_the_socket() -> None:
    async def scenario() -> None:
        stream.hub.cache_clear()
        socket = Socket("/ws/matches/999999/")
        await socket.connect()
        message = await socket.output()
        assert (message["type"], message["code"]) == ("websocket.close", 4404)

    asyncio.run(scenario())
