"""Live fan-out: from match workers through Valkey to every spectator's socket.

Messages are JSON objects, one per line. `text` is a frame: a piece of an answer being written, with
its offset, so that overlaps and gaps show. Frames are coalesced, encoded once per process, and
ephemeral: losing one costs liveness, never content. Events have a channel of their own, which only
the painter of a match watches (arena/live/painter.py). `pulse` only says that the connection lives.

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
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from arena.models import MatchEvent

FRAME_INTERVAL_SECONDS = 0.1
LIVE_TEXT_TTL_SECONDS = 3600
QUEUE_MESSAGES = 256  # per spectator; a slower one is told to resync
RECONNECT_SECONDS = 0.5
RESYNC = '{"t": "resync"}'  # connect again: your lines were too many for you
RESTORED = '{"t": "restored"}'  # lines may have been lost on the way to all of us
OVER = '{"t": "over"}'  # nothing will follow
PULSE = '{"t": "pulse"}'

log = structlog.get_logger(__name__)


def match_channel(match_id: int) -> str:
    return f"match:{match_id}"


def events_channel(match_id: int) -> str:
    return f"match:{match_id}:events"


def text_key(match_id: int) -> str:
    """The hash of text in progress: "round:seat" -> "turn:text"."""
    return f"match:{match_id}:live"


def run_channel(run_id: int) -> str:
    return f"run:{run_id}"


def announce_on_commit(match_id: int, events: Sequence[MatchEvent]) -> None:
    """Tell the painters about new events once they are committed."""
    lines = "\n".join(event_message(event) for event in events)
    transaction.on_commit(lambda: publish(events_channel(match_id), lines))


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


def reset_message(number: int, seat: int, turn: int) -> str:
    return json.dumps({"t": "reset", "round": number, "seat": seat, "turn": turn})


def text_message(number: int, seat: int, turn: int, offset: int, text: str) -> str:
    where = {"round": number, "seat": seat, "turn": turn, "offset": offset}
    return json.dumps({"t": "text", **where, "text": text})


class FrameWriter:
    """Collects the text of one round's seats and sends it about ten times per second.

    Each piece says which of the seat's turns it belongs to: a drawing with that turn may come
    earlier or later. The text so far is also kept in a hash, for spectators who join midway.
    """

    def __init__(self, match_id: int, number: int) -> None:
        self._channel = match_channel(match_id)
        self._key = text_key(match_id)
        self._number = number
        self._turns: dict[int, int] = {}
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

    def begin(self, seat: int, turn: int) -> None:
        """The seat is to move, and writes its answer of that turn from now on."""
        self._turns[seat] = turn
        self.reset(seat)

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
        lines, changed = list[str](), dict[str, str]()
        for seat in sorted(resets):
            lines.append(reset_message(self._number, seat, self._turns.get(seat, 0)))
            changed[f"{self._number}:{seat}"] = f"{self._turns.get(seat, 0)}:"
        for seat, text in self._text.items():
            turn, sent = self._turns.get(seat, 0), self._sent.get(seat, 0)
            if len(text) > sent:
                lines.append(text_message(self._number, seat, turn, sent, text[sent:]))
                changed[f"{self._number}:{seat}"] = f"{turn}:{text}"
                self._sent[seat] = len(text)
        if not lines:
            return
        try:
            async with self._client.pipeline(transaction=False) as pipe:
                for field, value in changed.items():
                    pipe.hset(self._key, field, value)
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
    """One connection to Valkey for a process, however many channels and spectators it watches.

    A task reads it, connects again when it is lost, and then tells everybody with RESTORED that
    something may have been missed.
    """

    def __init__(self, url: str) -> None:
        # No limit on reading: a subscription may rightly be silent for long. No retries either: a
        # client that reconnects by itself does not say what it missed.
        self._client = redis.asyncio.Redis.from_url(
            url,
            decode_responses=True,
            retry=Retry(NoBackoff(), 0),
            socket_connect_timeout=settings.VALKEY_TIMEOUTS["socket_connect_timeout"],
        )
        self._queues: dict[str, set[asyncio.Queue[str]]] = {}
        self._subscribed: set[str] = set()
        self._requested: set[str] = set()  # of the present connection
        self._awaited: dict[str, asyncio.Future[None]] = {}
        self._pubsub: Any = None
        self._reader: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def watch(self, channel: str) -> AsyncIterator[asyncio.Queue[str]]:
        """A bounded queue of the channel's lines; already subscribed when it is yielded.

        A spectator too slow for its queue gets RESYNC instead of what it held. Raises RedisError.
        """
        queue: asyncio.Queue[str] = asyncio.Queue(QUEUE_MESSAGES)
        self._queues.setdefault(channel, set()).add(queue)
        try:
            if channel not in self._subscribed:
                await self._join(channel)
            yield queue
        finally:
            await self._leave(channel, queue)

    def tell(self, channel: str, line: str) -> None:
        """Send a line to this process's own spectators of the channel."""
        for queue in self._queues.get(channel, ()):
            _offer(queue, line)

    async def live_text(self, match_id: int, number: int) -> dict[int, tuple[int, str]]:
        """seat -> (its turn, text so far) of a round that is being played."""
        stored = await self._client.hgetall(text_key(match_id))
        found = {}
        for key, value in stored.items():
            of_round, _, seat = str(key).partition(":")
            turn, _, text = str(value).partition(":")
            if of_round == str(number):
                found[int(seat)] = (int(turn), text)
        return found

    async def _join(self, channel: str) -> None:
        if (confirmed := self._awaited.get(channel)) is None:
            confirmed = self._awaited[channel] = asyncio.get_running_loop().create_future()
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._read())
        elif self._pubsub is not None and channel not in self._requested:
            self._requested.add(channel)
            with contextlib.suppress(redis.RedisError):  # the next connection asks for all channels
                await self._pubsub.subscribe(channel)
        try:
            async with asyncio.timeout(settings.VALKEY_TIMEOUTS["socket_timeout"]):
                await asyncio.shield(confirmed)
        except TimeoutError:
            raise redis.TimeoutError("the subscription was not confirmed") from None

    async def _leave(self, channel: str, queue: asyncio.Queue[str]) -> None:
        watching = self._queues[channel]
        watching.discard(queue)
        if watching:
            return
        del self._queues[channel]
        # What is not confirmed yet is given up at its confirmation: asking again before that would
        # take the old confirmation for the new one.
        if channel in self._subscribed:
            self._subscribed.discard(channel)
            self._requested.discard(channel)
            with contextlib.suppress(redis.RedisError):
                await self._pubsub.unsubscribe(channel)

    async def _read(self) -> None:
        lost: set[str] = set()
        while self._queues:
            pubsub: Any = self._client.pubsub()
            try:
                self._requested = set(self._queues)
                await pubsub.subscribe(*self._requested)
                self._pubsub = pubsub
                if newer := set(self._queues) - self._requested:
                    self._requested |= newer
                    await pubsub.subscribe(*newer)
                while True:
                    if message := await pubsub.get_message(timeout=None):
                        await self._take(message, lost)
            except redis.RedisError as error:
                log.warning("live_subscriptions_lost", error=type(error).__name__)
            finally:
                self._pubsub = None
                lost |= self._subscribed
                self._subscribed.clear()
                with contextlib.suppress(redis.RedisError):
                    await pubsub.aclose()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _take(self, message: dict[str, Any], lost: set[str]) -> None:
        channel = message["channel"]
        match message["type"]:
            case "message":
                self.tell(channel, message["data"])
            case "subscribe":
                if confirmed := self._awaited.pop(channel, None):
                    confirmed.set_result(None)
                if channel not in self._queues:  # everybody left before it was confirmed
                    self._requested.discard(channel)
                    await self._pubsub.unsubscribe(channel)
                    return
                self._subscribed.add(channel)
                if channel in lost:
                    self.tell(channel, RESTORED)
                lost.discard(channel)


def waiting(queue: asyncio.Queue[str]) -> list[str]:
    """Whatever waits in the queue, without waiting for more."""
    lines = []
    while not queue.empty():
        lines.append(queue.get_nowait())
    return lines


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
