"""Live fan-out: from match workers through Valkey to every spectator's socket.

Messages are JSON objects, one per line. `event` says that a durable event exists: the page fetches
what it shows from the database. `text` is a frame: a piece of an answer being written, with its
offset, so that overlaps and gaps show. `pulse` only says that the connection lives. Frames are
coalesced, encoded once per process, and ephemeral: losing one costs liveness, never content.

Measured beside channel layers: docs/decisions/live-hub.md
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from functools import cache
from types import TracebackType
from typing import Any, Self

import redis
import redis.asyncio
import structlog
from django.conf import settings
from django.db import transaction

from arena.models import MatchEvent

FRAME_INTERVAL_SECONDS = 0.1
LIVE_TEXT_TTL_SECONDS = 3600
QUEUE_MESSAGES = 256  # per spectator; a slower one is told to resync
RESYNC = '{"t": "resync"}'
PULSE = '{"t": "pulse"}'

log = structlog.get_logger(__name__)


def match_channel(match_id: int) -> str:
    return f"match:{match_id}"


def run_channel(run_id: int) -> str:
    return f"run:{run_id}"


def announce_on_commit(match_id: int, events: Sequence[MatchEvent]) -> None:
    """Tell spectators about new events once they are committed."""
    lines = "\n".join(event_message(event) for event in events)
    transaction.on_commit(lambda: publish(match_channel(match_id), lines))


def publish(channel: str, lines: str) -> None:
    """Send from synchronous code. Losing a message is harmless: sockets resume from the rows."""
    try:
        _sync_client().publish(channel, lines)
    except redis.RedisError as error:
        log.warning("live_message_lost", channel=channel, error=type(error).__name__)


def event_message(event: MatchEvent) -> str:
    """The line that announces the event; it carries no untrusted text."""
    return json.dumps(
        {
            "t": "event",
            "seq": event.seq,
            "kind": event.kind,
            "round": event.payload.get("round"),
            "seat": event.payload.get("seat"),
        }
    )


def text_message(number: int, seat: int, offset: int, text: str) -> str:
    return json.dumps({"t": "text", "round": number, "seat": seat, "offset": offset, "text": text})


class FrameWriter:
    """Collects the text of one round's seats and sends it about ten times per second.

    The text so far is also kept in a hash, for spectators who join midway.
    """

    def __init__(self, match_id: int, number: int) -> None:
        self._channel = match_channel(match_id)
        self._key = f"match:{match_id}:text"
        self._number = number
        self._text: dict[int, str] = {}
        self._sent: dict[int, int] = {}
        self._resets: set[int] = set()
        self._client = redis.asyncio.Redis.from_url(
            settings.VALKEY_URL,
            socket_timeout=settings.VALKEY_TIMEOUTS["socket_timeout"],
            socket_connect_timeout=settings.VALKEY_TIMEOUTS["socket_connect_timeout"],
        )
        self._flusher: asyncio.Task[None] | None = None
        self._done = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._flusher = asyncio.create_task(self._flush_often())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Asked to stop, not cancelled: a cancellation inside the client's I/O can get lost.
        self._done.set()
        if self._flusher:
            await self._flusher
        await self.flush()
        await self._client.aclose()

    def write(self, seat: int, text: str) -> None:
        """Add a piece to the seat's answer."""
        self._text[seat] = self._text.get(seat, "") + text

    def reset(self, seat: int) -> None:
        """Discard the seat's answer so far, wherever it is shown: the seat starts again."""
        self._text[seat] = ""
        self._sent[seat] = 0
        self._resets.add(seat)

    async def flush(self) -> None:
        resets, self._resets = self._resets, set()
        lines = [
            json.dumps({"t": "reset", "round": self._number, "seat": seat})
            for seat in sorted(resets)
        ]
        changed: dict[str, str] = {}
        for seat, text in self._text.items():
            sent = self._sent.get(seat, 0)
            if len(text) > sent:
                lines.append(text_message(self._number, seat, sent, text[sent:]))
                changed[f"{self._number}:{seat}"] = text
                self._sent[seat] = len(text)
        if not lines:
            return
        try:
            async with self._client.pipeline(transaction=False) as pipe:
                if resets:
                    pipe.hdel(self._key, *(f"{self._number}:{seat}" for seat in resets))
                for field, text in changed.items():
                    pipe.hset(self._key, field, text)
                if changed:
                    pipe.expire(self._key, LIVE_TEXT_TTL_SECONDS)
                pipe.publish(self._channel, "\n".join(lines))
                await pipe.execute()
        except redis.RedisError as error:
            log.warning("frames_lost", channel=self._channel, error=type(error).__name__)
            # Lost text leaves a gap, which shows. A lost reset would silently join two answers.
            self._resets |= resets
            self._sent |= dict.fromkeys(resets, 0)

    async def _flush_often(self) -> None:
        while not self._done.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._done.wait(), FRAME_INTERVAL_SECONDS)
            await self.flush()


class Hub:
    """One subscription per channel and process, however many spectators watch it."""

    def __init__(self, url: str) -> None:
        # No limit on reading: a subscription may rightly be silent for long.
        self._client = redis.asyncio.Redis.from_url(
            url,
            decode_responses=True,
            socket_connect_timeout=settings.VALKEY_TIMEOUTS["socket_connect_timeout"],
        )
        self._spectators: dict[str, set[asyncio.Queue[str]]] = {}
        self._readers: dict[str, asyncio.Task[None]] = {}
        self._lock = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def watch(self, channel: str) -> AsyncIterator[asyncio.Queue[str]]:
        """A bounded queue of the channel's lines; already subscribed when it is yielded.

        A lost Valkey connection, or a spectator too slow for its queue, yields RESYNC.
        """
        queue: asyncio.Queue[str] = asyncio.Queue(QUEUE_MESSAGES)
        async with self._lock:
            if channel not in self._readers:
                pubsub = await self._subscribed(channel)
                self._readers[channel] = asyncio.create_task(self._read(channel, pubsub))
            # Only now: a spectator who left while we subscribed has removed an empty set.
            watching = self._spectators.setdefault(channel, set())
            watching.add(queue)
        try:
            yield queue
        finally:
            watching.discard(queue)
            if not watching:
                self._spectators.pop(channel, None)
                if reader := self._readers.pop(channel, None):
                    reader.cancel()

    async def live_text(self, match_id: int, number: int) -> dict[int, str]:
        """seat -> text so far of a round that is being played."""
        stored = await self._client.hgetall(f"match:{match_id}:text")
        found = {}
        for key, text in stored.items():
            of_round, _, seat = str(key).partition(":")
            if of_round == str(number):
                found[int(seat)] = str(text)
        return found

    async def _subscribed(self, channel: str) -> Any:
        pubsub: Any = self._client.pubsub()
        try:
            await pubsub.subscribe(channel)
            if await pubsub.get_message(timeout=settings.VALKEY_TIMEOUTS["socket_timeout"]) is None:
                raise redis.TimeoutError("the subscription was not confirmed")
        except BaseException:  # a spectator may leave at this point
            await pubsub.aclose()
            raise
        return pubsub

    async def _read(self, channel: str, pubsub: Any) -> None:
        try:
            async for message in pubsub.listen():
                if message["type"] == "message":
                    for queue in self._spectators.get(channel, ()):
                        _offer(queue, message["data"])
        except redis.RedisError as error:
            log.warning("live_subscription_lost", channel=channel, error=type(error).__name__)
        finally:
            if self._readers.get(channel) is asyncio.current_task():  # nobody asked us to stop
                del self._readers[channel]
                for queue in self._spectators.get(channel, ()):
                    _offer(queue, RESYNC)
            with contextlib.suppress(redis.RedisError):
                await pubsub.aclose()


def _offer(queue: asyncio.Queue[str], message: str) -> None:
    try:
        queue.put_nowait(message)
    except asyncio.QueueFull:
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait(RESYNC)


@cache
def hub() -> Hub:
    """The process's hub; one event loop serves a web process."""
    return Hub(settings.VALKEY_URL)


@cache
def _sync_client() -> redis.Redis:
    return redis.Redis.from_url(settings.VALKEY_URL, **settings.VALKEY_TIMEOUTS)
