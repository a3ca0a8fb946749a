"""Spectators' sockets, from the rows of a match to the page."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from channels.db import database_sync_to_async
from channels.routing import URLRouter

from arena.live import audience, consumers, painter, stream
from arena.live.consumers import CLOSE_OVER, match_sockets
from arena.live.painter import Drawing
from arena.live.tests.sockets import Socket, cut_subscriptions, drawn, drawn_round, subscribers
from arena.matches import play
from arena.matches.runner import task_of
from arena.tests.builders import make_match, record


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("sends_per_second", [4_000, 16], ids=["small audience", "large audience"])
def test_a_socket_on_which_nothing_happens_still_gets_a_line_now_and_then(
    sends_per_second: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert consumers.PULSE_SECONDS <= 15, "half of what a page takes for a dead connection"
    monkeypatch.setattr(consumers, "PULSE_SECONDS", 0.01)
    monkeypatch.setattr(audience, "SENDS_PER_SECOND", sends_per_second)  # 16: it looks each 1/8 s
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


@pytest.mark.django_db(transaction=True)
def test_a_socket_resumes_after_its_seq_and_sees_what_is_being_written() -> None:
    match = make_match()
    play.start_match(match.id)
    play.start_round(match.id, number=1, task=task_of(match.id, 1))

    async def scenario() -> None:
        stream.hub.cache_clear()
        async with stream.FrameWriter(match.id, 1) as frames:
            frames.write(0, "so far")
            await frames.flush()
            socket = Socket(f"/ws/matches/{match.id}/?after=2")
            await socket.connect()
            hello, drawing, reset, text = await socket.lines()
            assert hello == {"t": "hello", "seq": 3}
            assert (drawing["t"], drawing["seq"]) == ("drawn", 3)
            assert drawing["rounds"] == {"1": "after 2"}
            assert (reset["t"], text["text"]) == ("reset", "so far")
            frames.write(0, ", and more")
            await frames.flush()
            (live,) = await socket.lines()
            assert (live["offset"], live["text"]) == (6, ", and more")
            await socket.close()

    asyncio.run(scenario())


@pytest.mark.django_db(transaction=True)
def test_a_match_that_ends_says_so_and_closes_its_sockets_for_good() -> None:
    match = make_match()

    async def scenario() -> None:
        stream.hub.cache_clear()
        sockets = [Socket(f"/ws/matches/{match.id}/?after=1") for _ in range(2)]
        for socket in sockets:
            await socket.connect()
            assert await socket.lines() == [{"t": "hello", "seq": 1}]
        await database_sync_to_async(play.cancel_match)(match.id, reason="x")
        late = Socket(f"/ws/matches/{match.id}/?after=1")
        await late.connect()
        for socket in (*sockets, late):
            lines = [line async for line in until_closed(socket)]
            drawing, over = lines[-2:]
            assert (drawing["seq"], drawing["over"]) == (2, True)
            assert over == {"t": "over"}
            await socket.close()
        assert await subscribers(stream.match_channel(match.id)) == 0

    asyncio.run(scenario())


async def until_closed(socket: Socket) -> AsyncIterator[dict[str, Any]]:
    while (output := await socket.output())["type"] == "websocket.send":
        for line in output["text"].split("\n"):
            yield json.loads(line)
    assert (output["type"], output["code"]) == ("websocket.close", CLOSE_OVER)


@pytest.mark.django_db(transaction=True)
def test_an_event_is_drawn_once_for_all_who_watch() -> None:
    match = make_match()
    play.start_match(match.id)
    drawings: list[int] = []

    def counted(match_id: int, after: int) -> Drawing:
        drawings.append(after)
        return drawn(match_id, after)

    async def scenario() -> None:
        stream.hub.cache_clear()
        routes = URLRouter(match_sockets(counted, drawn_round))
        sockets = [Socket(f"/ws/matches/{match.id}/?after=2", routes=routes) for _ in range(20)]
        for socket in sockets:
            await socket.connect()
            assert (await socket.lines())[0]["t"] == "hello"
        drawings.clear()
        task = await database_sync_to_async(task_of)(match.id, 1)
        await database_sync_to_async(play.start_round)(match.id, number=1, task=task)
        for socket in sockets:
            (drawing,) = await socket.lines()
            assert (drawing["t"], drawing["seq"]) == ("drawn", 3)
        assert drawings == [2]
        for socket in sockets:
            await socket.close()

    asyncio.run(scenario())


@pytest.mark.django_db(transaction=True)
def test_an_event_of_which_valkey_told_nobody_is_drawn_at_the_next_check(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(painter, "CHECK_SECONDS", 0.02)
    match = make_match()
    play.start_match(match.id)
    play.start_round(match.id, number=1, task=task_of(match.id, 1))

    async def scenario() -> None:
        stream.hub.cache_clear()
        socket = Socket(f"/ws/matches/{match.id}/?after=3")
        await socket.connect()
        assert (await socket.lines())[0]["t"] == "hello"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(stream, "publish", lambda channel, lines: None)
            await database_sync_to_async(record)(match, 1, 0)
        (drawing,) = await socket.lines()
        assert (drawing["seq"], drawing["rounds"]) == (4, {"1": "after 3"})
        await socket.close()

    asyncio.run(scenario())


@pytest.mark.django_db(transaction=True)
def test_what_was_said_while_valkey_was_lost_reaches_the_sockets_that_stayed() -> None:
    match = make_match()
    play.start_match(match.id)
    play.start_round(match.id, number=1, task=task_of(match.id, 1))

    async def scenario() -> None:
        stream.hub.cache_clear()
        async with stream.FrameWriter(match.id, 1) as frames:
            socket = Socket(f"/ws/matches/{match.id}/?after=3")
            await socket.connect()
            assert (await socket.lines())[0]["t"] == "hello"
            await cut_subscriptions()
            frames.write(0, "unheard")
            await frames.flush()
            await database_sync_to_async(record)(match, 1, 1)
            found: dict[str, dict[str, Any]] = {}
            async with asyncio.timeout(10):
                while not {"drawn", "text"} <= found.keys():
                    found |= {line["t"]: line for line in await socket.lines()}
            assert found["drawn"]["seq"] == 4
            assert (found["text"]["offset"], found["text"]["text"]) == (0, "unheard")
            await socket.close()

    asyncio.run(scenario())


@pytest.mark.django_db(transaction=True)
def test_a_large_audience_gets_its_lines_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audience, "SENDS_PER_SECOND", 4)
    monkeypatch.setattr(consumers.dice, "uniform", lambda low, high: high)
    match = make_match()

    async def scenario() -> None:
        stream.hub.cache_clear()
        socket = Socket(f"/ws/matches/{match.id}/?after=1")
        await socket.connect()
        assert (await socket.lines())[0]["t"] == "hello"
        for number in range(5):
            stream.publish(stream.match_channel(match.id), json.dumps({"t": number}))
        assert [line["t"] for line in await socket.lines()] == [0, 1, 2, 3, 4]
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
        hello, drawing = await socket.lines()
        assert (hello, drawing["seq"]) == ({"t": "hello", "seq": 1}, 1)
        await socket.close()

    asyncio.run(scenario())


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("same_person", "another"),
    [
        (lambda number: "203.0.113.5", "203.0.113.6"),
        (lambda number: f"2001:db8:0:1::{number}", "2001:db8:0:2::1"),
    ],
    ids=["one IPv4 address", "one /64 of IPv6"],
)
def test_one_network_does_not_take_everybodys_place(
    same_person: Callable[[int], str], another: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audience, "MAX_OF_NETWORK", 2)
    match = make_match()

    async def watch(address: str) -> tuple[Socket, str]:
        socket = Socket(f"/ws/matches/{match.id}/", address=address)
        await socket.connect()
        return socket, (await socket.output())["type"]

    async def scenario() -> None:
        stream.hub.cache_clear()
        addresses = [same_person(number) for number in range(3)]
        first, second, third = [await watch(address) for address in addresses]
        other = await watch(another)
        local = [await watch("127.0.0.1") for _ in range(3)]
        assert [kind for _, kind in (first, second, third, other)] == [
            "websocket.send", "websocket.send", "websocket.close", "websocket.send",
        ]  # fmt: skip
        assert {kind for _, kind in local} == {"websocket.send"}
        await first[0].close()
        again = await watch(same_person(3))
        assert again[1] == "websocket.send"
        for socket, _ in (second, other, again, *local):
            await socket.close()
        assert (consumers.audience.size, *consumers.audience._of_network) == (0,)

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
