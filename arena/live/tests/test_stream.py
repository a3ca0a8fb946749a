"""Live fan-out through the real Valkey."""

import asyncio
import contextlib
import json
from typing import Any

import pytest
import redis.asyncio
from django.conf import settings

from arena.live import stream
from arena.live.tests.sockets import cut_subscriptions, lines_of, subscribers


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
        assert first == [
            {"t": "text", "round": 1, "seat": 0, "turn": 0, "offset": 0, "text": "one two three"}
        ]
        assert second[0]["offset"] == len("one two three")

    asyncio.run(scenario())


def test_a_newcomer_finds_the_text_so_far_and_a_reset_starts_it_again() -> None:
    async def scenario() -> None:
        hub = stream.Hub(settings.VALKEY_URL)
        async with stream.FrameWriter(902, 3) as frames:
            frames.write(1, "wrong start")
            await frames.flush()
            assert await hub.live_text(902, 3) == {1: (0, "wrong start")}
            async with hub.watch(stream.match_channel(902)) as queue:
                frames.reset(1)
                frames.write(1, "right")
                await frames.flush()
                assert [line["t"] for line in await lines_of(queue)] == ["reset", "text"]
            assert await hub.live_text(902, 3) == {1: (0, "right")}
            assert await hub.live_text(902, 4) == {}
            frames.begin(1, turn=2)
            await frames.flush()
            assert await hub.live_text(902, 3) == {1: (2, "")}, "it is to move"

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


async def subscriptions() -> int:
    """Connections to Valkey that do nothing but listen."""
    async with redis.asyncio.Redis.from_url(settings.VALKEY_URL) as client:
        return len(await client.client_list(_type="pubsub"))


def test_one_connection_of_a_process_listens_for_all_matches() -> None:
    async def scenario() -> None:
        before = await subscriptions()
        hub = stream.Hub(settings.VALKEY_URL)
        async with contextlib.AsyncExitStack() as stack:
            queues = [
                await stack.enter_async_context(hub.watch(stream.match_channel(number)))
                for number in range(920, 940)
            ]
            assert await subscriptions() == before + 1
            for number in range(920, 940):
                stream.publish(stream.match_channel(number), json.dumps({"t": number}))
            assert [await lines_of(queue) for queue in queues] == [
                [{"t": number}] for number in range(920, 940)
            ]

    asyncio.run(scenario())


def test_a_lost_connection_is_replaced_and_everybody_is_told_that_lines_may_be_missing() -> None:
    async def scenario() -> None:
        hub = stream.Hub(settings.VALKEY_URL)
        one, two = stream.match_channel(907), stream.match_channel(917)
        async with hub.watch(one) as first, hub.watch(two) as second:
            await cut_subscriptions()
            for channel, queue in ((one, first), (two, second)):
                assert await asyncio.wait_for(queue.get(), timeout=10) == stream.RESTORED
                stream.publish(channel, '{"t": "again"}')
                assert await lines_of(queue) == [{"t": "again"}]

    asyncio.run(scenario())


def test_who_comes_while_the_connection_is_lost_hears_once_it_is_back() -> None:
    async def scenario() -> None:
        hub = stream.Hub(settings.VALKEY_URL)
        async with hub.watch(stream.match_channel(918)):
            await cut_subscriptions()
            async with hub.watch(stream.match_channel(919)) as newcomer:
                stream.publish(stream.match_channel(919), '{"t": "hello"}')
                while (lines := await lines_of(newcomer)) == [{"t": "restored"}]:
                    pass
                assert lines == [{"t": "hello"}]

    asyncio.run(scenario())


def test_a_newcomer_hears_though_the_last_old_spectator_leaves_while_it_subscribes() -> None:
    async def scenario() -> None:
        hub = stream.Hub(settings.VALKEY_URL)
        channel = stream.match_channel(908)
        for _ in range(20):
            old = hub.watch(channel)
            await old.__aenter__()
            gone = asyncio.create_task(old.__aexit__(None, None, None))
            async with hub.watch(channel) as newcomer:
                await gone
                stream.publish(channel, '{"t": "hello"}')
                assert await lines_of(newcomer) == [{"t": "hello"}]

    asyncio.run(scenario())


def test_a_spectator_who_leaves_while_connecting_leaves_no_subscription_behind() -> None:
    async def scenario() -> None:
        hub = stream.Hub(settings.VALKEY_URL)
        channel = stream.match_channel(909)
        async with hub.watch(stream.match_channel(912)):
            spectator = asyncio.create_task(hub.watch(channel).__aenter__())
            await asyncio.sleep(0)  # it has begun
            spectator.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await spectator
            async with asyncio.timeout(5):
                while await subscribers(channel) or channel in hub._awaited:
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


def test_a_subscription_that_valkey_never_confirms_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def never(self: Any, *channels: str) -> None:
        pass

    async def scenario() -> None:
        limits = settings.VALKEY_TIMEOUTS | {"socket_timeout": 0.05}
        hub = stream.Hub(settings.VALKEY_URL)
        async with hub.watch(stream.match_channel(913)):
            monkeypatch.setattr(settings, "VALKEY_TIMEOUTS", limits)
            monkeypatch.setattr(redis.asyncio.client.PubSub, "subscribe", never)
            with pytest.raises(redis.TimeoutError):
                async with hub.watch(stream.match_channel(911)):
                    raise AssertionError("nothing was confirmed")

    asyncio.run(scenario())
