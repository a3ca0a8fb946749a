"""One match and thousands of pages that show it: the real web process, PostgreSQL and Valkey.

Spectators do what a page does: load it, open its socket, take what comes, and click one tab at some
moment of the match. They are coroutines of a process of their own. With `--fetching`, the page of
before is played instead: nothing is shared, and each spectator fetches the round at each event.

    python -m benchmarks.live_pages [--spectators 2000] [--fetching]
"""

import argparse
import asyncio
import base64
import itertools
import multiprocessing
import os
import random
import re
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

import arena.config.testing  # noqa: F401  starts PostgreSQL and Valkey
import django

django.setup()

from django.core.management import call_command

from arena.config.supervisor.machine import free_port, this_machine
from arena.live.stream import FrameWriter
from arena.matches import play
from arena.matches.runner import task_of
from arena.models import Match
from arena.tests.builders import decide, make_match, make_space, record

ARRIVALS_PER_SECOND = 40
ROUNDS, SEATS = 3, 4
ROUND_SECONDS = 8.0
LIMIT_SECONDS = 10.0  # of a request
GRACE_SECONDS = 10.0  # after the last event
FRAME = "and so on with what this seat answers, "
ANSWER_SECONDS = 2.0  # after which a page asks by HTTP: live_match.ts
ROUND = re.compile(rb'\{"t": "round"')
DRAWN = re.compile(rb'\{"t": "drawn", "seq": (\d+)')


@dataclass
class Seen:
    """What the spectators of one process saw."""

    pages: list[float] = field(default_factory=list)  # seconds of each request
    tabs: list[float] = field(default_factory=list)
    arrivals: list[tuple[int, float]] = field(default_factory=list)  # (seq, monotonic time)
    messages: int = 0
    finished: int = 0
    errors: Counter[str] = field(default_factory=Counter)


async def fetch(port: int, path: str) -> bytes:
    """The body of a page. Raises OSError, TimeoutError, and ValueError for a bad status."""
    async with asyncio.timeout(LIMIT_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(
                f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
            )
            answer = await reader.read()
        finally:
            writer.close()
    status = answer[9:12].decode()
    if status != "200":
        raise ValueError(f"status {status}")
    return answer


class Socket:
    """A page's WebSocket."""

    def __init__(self) -> None:
        self._writer: asyncio.StreamWriter | None = None

    def say(self, text: bytes) -> None:
        """Send up to 125 bytes of text, as a browser does: with a mask, here of zeros."""
        assert self._writer is not None, "it is open"
        self._writer.write(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)

    async def messages(self, port: int, path: str) -> AsyncIterator[bytes]:
        """What comes, until it is closed for good."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
        self._writer = writer
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        try:
            await reader.readuntil(b"\r\n\r\n")
            while True:
                kind, length = await reader.readexactly(2)
                if length > 125:
                    length = int.from_bytes(await reader.readexactly(2 if length == 126 else 8))
                body = await reader.readexactly(length)
                if kind & 15 == 9:  # a ping: a browser answers it
                    writer.write(bytes([0x8A, 0x80 | length, 0, 0, 0, 0]) + body)
                    continue
                if kind & 15 == 8:
                    if int.from_bytes(body[:2]) != 1000:
                        raise ConnectionError(f"closed with {int.from_bytes(body[:2])}")
                    return
                yield body
        finally:
            writer.close()


async def spectate(
    port: int, match: int, seen: Seen, *, is_fetching: bool, clicks_after: float
) -> None:
    path, socket, answered = f"/matches/{match}/", Socket(), asyncio.Event()

    async def timed(url: str, into: list[float]) -> bytes:
        started = time.monotonic()
        try:
            return await fetch(port, url)
        except (OSError, TimeoutError, ValueError) as error:
            seen.errors[f"{type(error).__name__} {error}".strip()] += 1
            return b""
        finally:
            into.append(time.monotonic() - started)

    async def click() -> None:
        await asyncio.sleep(clicks_after)
        if is_fetching:
            await timed(f"{path}rounds/1/", seen.tabs)
            return
        started = time.monotonic()
        socket.say(b'{"round": 1}')
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await answered.wait()
        except TimeoutError:
            seen.errors["a round that was asked for over the socket"] += 1
            await timed(f"{path}rounds/1/", [])
        seen.tabs.append(time.monotonic() - started)

    page = await timed(path, seen.pages)
    found = re.search(rb'data-seq="(\d+)"', page)
    clicking = asyncio.create_task(click())
    fetches: set[asyncio.Task[bytes]] = set()
    try:
        async for body in socket.messages(port, f"/ws{path}?after={int(found[1]) if found else 0}"):
            seen.messages += 1
            if ROUND.match(body):
                answered.set()
            for seq in DRAWN.findall(body):
                seen.arrivals.append((int(seq), time.monotonic()))
                if is_fetching:
                    fetches.add(asyncio.create_task(timed(f"{path}rounds/1/", seen.tabs)))
        seen.finished += 1
    except (OSError, asyncio.IncompleteReadError) as error:
        seen.errors[f"socket: {type(error).__name__} {error}"] += 1
    clicking.cancel() if is_fetching else await clicking
    await asyncio.gather(*fetches)


def crowd(port: int, match: int, spectators: int, is_fetching: bool, pipe: Connection) -> None:
    """The process of the spectators: says when all have come, and what they saw once it is over."""
    dice, seen = random.Random(1), Seen()

    async def run() -> None:
        watching = []
        for number in range(spectators):
            # The match begins once all are here; its first round is shown by then.
            moment = (spectators - number) / ARRIVALS_PER_SECOND
            moment += dice.uniform(1.5 * ROUND_SECONDS, 3 * ROUND_SECONDS)
            coroutine = spectate(port, match, seen, is_fetching=is_fetching, clicks_after=moment)
            watching.append(asyncio.create_task(coroutine))
            await asyncio.sleep(1 / ARRIVALS_PER_SECOND)
        pipe.send("all here")
        _, late = await asyncio.wait(watching, timeout=ROUNDS * ROUND_SECONDS + 2 * GRACE_SECONDS)
        for one in late:
            one.cancel()

    asyncio.run(run())
    pipe.send(seen)


def play_match(match: Match) -> dict[int, float]:
    """Play a scripted match at a natural pace; when each event was there."""
    moments: dict[int, float] = {}

    def note() -> None:
        match.refresh_from_db()
        moments[match.seq] = time.monotonic()

    async def write(number: int) -> None:
        async with FrameWriter(match.id, number) as frames:
            started = time.monotonic()
            for tick in itertools.count(1):
                for seat in range(SEATS):
                    frames.write(seat, FRAME)
                await asyncio.sleep(max(0.0, started + tick / 10 - time.monotonic()))
                if time.monotonic() - started > ROUND_SECONDS * 0.7:
                    return

    for number in range(1, ROUNDS + 1):
        play.start_round(match.id, number=number, task=task_of(match.id, number))
        note()
        asyncio.run(write(number))
        for seat in range(SEATS):
            record(match, number, seat, FRAME * 20)
            note()
            time.sleep(ROUND_SECONDS * 0.05)
        decide(match, number, {seat: seat / SEATS for seat in range(SEATS)})
        note()
        time.sleep(ROUND_SECONDS * 0.1)
    play.settle_match(match.id)
    note()
    return moments


def serve(port: int, *, is_fetching: bool) -> None:
    """The web process, as `manage.py up` starts it; `is_fetching`: it shares nothing."""
    import uvicorn  # noqa: PLC0415 only this process serves

    from arena.config.asgi import application  # noqa: PLC0415 as above
    from frontend import drawings  # noqa: PLC0415 as above
    from frontend.sharing import Shared  # noqa: PLC0415 as above

    if is_fetching:
        drawings.fragments = Shared(max_bytes=0, keep_seconds=-1, size_of=lambda part: 0)
    uvicorn.run(
        application,
        port=port,
        access_log=False,
        log_level="warning",
        ws_per_message_deflate=False,
    )


def measure(spectators: int, *, is_fetching: bool) -> None:
    """Print one row."""
    match = make_match(make_space(seat_count=SEATS, round_count=ROUNDS, prize_percents=[70, 30]))
    play.start_match(match.id)
    port = free_port("127.0.0.1", 0)
    command = [sys.executable, "-m", "benchmarks.live_pages", "--serve", str(port)]
    command += ["--fetching"] if is_fetching else []
    web = subprocess.Popen(command, env=os.environ | {"LOG_LEVEL": "WARNING"})
    try:
        while asyncio.run(_answers(port)) is False:
            if web.poll() is not None:
                raise SystemExit(f"The web server ended with status {web.returncode}.")
            time.sleep(0.2)
        here, there = multiprocessing.Pipe()
        arguments = (port, match.id, spectators, is_fetching, there)
        people = multiprocessing.get_context("spawn").Process(target=crowd, args=arguments)
        people.start()
        here.recv()
        moments = play_match(match)
        seen: Seen = here.recv()
        people.join()
    finally:
        web.terminate()
        web.wait(timeout=20)
    delays = [at - moments[seq] for seq, at in seen.arrivals if seq in moments]
    name = "each page fetches, nothing shared" if is_fetching else "drawn once, sent to all"
    print(
        f"{name:36}{_p(seen.pages, 99):>10}{_p(delays, 50):>11}{_p(delays, 99):>11}"
        f"{_p(seen.tabs, 50):>11}{_p(seen.tabs, 99):>11}{seen.errors.total():>8}"
        f"{seen.finished / spectators:>10.1%}"
    )
    for words, count in seen.errors.most_common(3):
        print(f"    {count} times {words}")


async def _answers(port: int) -> bool:
    try:
        await fetch(port, "/health/")
    except (OSError, ValueError):
        return False
    return True


def _p(seconds: list[float], percent: int) -> str:
    if len(seconds) < 2:
        return "-"
    return f"{statistics.quantiles(seconds, n=100)[percent - 1] * 1000:.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spectators", type=int, default=2000)
    parser.add_argument("--fetching", action="store_true", help="only the page of before")
    parser.add_argument("--serve", type=int, metavar="PORT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, is_fetching=options.fetching)
        return
    call_command("migrate", verbosity=0)
    call_command("collectstatic", "--noinput", verbosity=0)
    print(this_machine())
    print(f"{options.spectators} spectators of one match of {ROUNDS} rounds and {SEATS} seats; ms")
    print(
        f"{'':36}{'page p99':>10}{'event p50':>11}{'event p99':>11}{'tab p50':>11}{'tab p99':>11}"
        f"{'errors':>8}{'to the end':>10}"
    )
    for is_fetching in (True,) if options.fetching else (False, True):
        measure(options.spectators, is_fetching=is_fetching)


if __name__ == "__main__":
    main()
