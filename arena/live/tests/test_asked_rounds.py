"""A page asks for a round over the socket that it has open."""

import asyncio

import pytest
from channels.db import database_sync_to_async
from channels.routing import URLRouter

from arena.live import consumers, painter, stream
from arena.live.consumers import match_sockets
from arena.live.tests.sockets import Socket, drawn, drawn_round
from arena.matches import play
from arena.matches.runner import task_of
from arena.models import Match
from arena.tests.builders import make_match, make_space, record

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def match() -> Match:
    """Its first round of three is being played; the last event is the third."""
    made = make_match(make_space(round_count=3))
    play.start_match(made.id)
    play.start_round(made.id, number=1, task=task_of(made.id, 1))
    stream.hub.cache_clear()
    return made


async def watching(match: Match, routes: URLRouter | None = None) -> Socket:
    path = f"/ws/matches/{match.id}/?after=3"
    socket = Socket(path, routes=routes) if routes else Socket(path)
    await socket.connect()
    assert (await socket.lines())[0]["t"] == "hello"
    return socket


def test_it_gets_the_round_as_of_the_newest_event(match: Match) -> None:
    async def scenario() -> None:
        socket = await watching(match)
        await socket.say('{"round": 1}')
        asked = {"t": "round", "round": 1}
        assert await socket.lines() == [asked | {"seq": 3, "html": "round 1 at 3"}]
        await database_sync_to_async(record)(match, 1, 0)
        ((drawing,)) = await socket.lines()
        assert drawing["seq"] == 4
        await socket.say('{"round": 1}')
        assert await socket.lines() == [asked | {"seq": 4, "html": "round 1 at 4"}]
        await socket.close()

    asyncio.run(scenario())


def test_who_asks_before_the_match_is_drawn_gets_it_as_of_the_newest_event(match: Match) -> None:
    async def scenario() -> None:
        socket = Socket(f"/ws/matches/{match.id}/?after=3")
        await socket.connect()
        await socket.say('{"round": 1}')
        lines = [*await socket.lines(), *await socket.lines()]
        assert {line["t"]: line["seq"] for line in lines} == {"hello": 3, "round": 3}
        await socket.close()

    asyncio.run(scenario())


def test_it_is_drawn_once_for_all_who_ask_and_again_after_a_while(
    match: Match, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawings: list[int] = []

    def counted(match_id: int, number: int, seq: int) -> str:
        drawings.append(number)
        return drawn_round(match_id, number, seq)

    async def scenario() -> None:
        routes = URLRouter(match_sockets(drawn, counted))
        sockets = [await watching(match, routes) for _ in range(20)]
        for socket in sockets:
            await socket.say('{"round": 1}')
        for socket in sockets:
            assert (await socket.lines())[0]["t"] == "round"
        assert drawings == [1]
        monkeypatch.setattr(painter, "CHECK_SECONDS", 0.0)
        await sockets[0].say('{"round": 1}')
        assert (await sockets[0].lines())[0]["t"] == "round"
        assert drawings == [1, 1]
        for socket in sockets:
            await socket.close()

    asyncio.run(scenario())


def test_who_clicks_through_tabs_gets_the_last_one(
    match: Match, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "ROUNDS_PER_SECOND", 1000)

    async def scenario() -> None:
        socket = await watching(match)
        for number in (1, 2, 1, 2, 3):
            await socket.say(f'{{"round": {number}}}')
        last = 0
        while last != 3:
            last = (await socket.lines())[0]["round"]
        await socket.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "said",
    [
        "", "{", "[]", "1", "null", '{"round": true}', '{"round": "1"}', '{"round": 0}',
        '{"round": -1}', '{"round": 1e9}', '{"round": 1000}', '{"rounds": 1}', "[" * 60,
        '{"round": 1, "x": "' + "y" * 64 + '"}',
    ],
)  # fmt: skip
def test_whatever_else_it_says_is_passed_over(match: Match, said: str) -> None:
    async def scenario() -> None:
        socket = await watching(match)
        await socket.say(said)
        await socket.say('{"round": 2}')
        assert (await socket.lines())[0]["round"] == 2
        await socket.close()

    asyncio.run(scenario())


def test_a_round_that_the_match_does_not_have_is_not_answered(match: Match) -> None:
    async def scenario() -> None:
        socket = await watching(match)
        await socket.say('{"round": 4}')
        await socket.say('{"round": 3}')
        assert (await socket.lines())[0]["round"] == 3
        await socket.close()

    asyncio.run(scenario())
