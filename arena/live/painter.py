"""Draws a match that is watched: once for each event and process, whoever and how many watch."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

import redis
import structlog
from channels.db import database_sync_to_async
from django.db import DatabaseError

from agents.errors import NotAvailable
from arena.live import stream

# The rows are asked at least so often: that a line about an event got lost costs so much at most.
CHECK_SECONDS = 15.0
RETRY_SECONDS = 1.0
NOTHING_SINCE = sys.maxsize  # a seq that no event has yet: no round has changed after it

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Drawing:
    """A match as HTML, as of event `seq` or a little later: the same for every viewer."""

    seq: int
    is_over: bool
    playing: frozenset[int]  # rounds whose answers are being written
    decided: frozenset[int]  # those of `rounds` that have a verdict
    summary: str  # "" if only turns of episodes have been added, which it does not show
    # Those that changed since the seq that was asked for; of an episode, without the turns until then.
    rounds: Mapping[int, str]

    @property
    def line(self) -> str:
        """As a page gets it."""
        return json.dumps(
            {
                "t": "drawn",
                "seq": self.seq,
                "over": self.is_over,
                "decided": sorted(self.decided),
                "summary": self.summary,
                "rounds": self.rounds,
            }
        )


# (match id, the last event that is known already). Raises NotAvailable.
Draw = Callable[[int, int], Drawing]
# (match id, number of the round, the event as of which it is wanted) -> HTML. Raises NotAvailable.
DrawRound = Callable[[int, int, int], str]


@dataclass(frozen=True)
class _DrawnRound:
    """A whole round for those who ask for it, as of event `seq` or a little later."""

    seq: int
    asked_at: float  # by the event loop's clock
    line: "asyncio.Task[str]"


@dataclass
class _Easel:
    """One match that somebody watches."""

    spectators: int = 0
    seq: int = 0  # of the newest drawing
    rounds: dict[int, _DrawnRound] = field(default_factory=dict)  # by number
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    error: Exception | None = None
    painting: asyncio.Task[None] | None = None


class Painter:
    """One task for each match that is watched: it waits for events, draws, and tells everybody."""

    def __init__(self, draw: Draw, draw_round: DrawRound) -> None:
        self._draw = draw
        self._draw_round = draw_round
        self._easels: dict[int, _Easel] = {}

    async def draw(self, match_id: int, *, after: int) -> Drawing:
        """The match with the rounds that changed after that event. Raises NotAvailable."""
        drawing: Drawing = await database_sync_to_async(self._draw)(match_id, after)
        return drawing

    async def round_line(self, match_id: int, number: int) -> str:
        """A whole round of a match that is watched, for a page that shows it from now on.

        Drawn once for all who ask. Raises NotAvailable, DatabaseError.
        """
        if (easel := self._easels.get(match_id)) is None:
            raise NotAvailable("Nobody watches this match here.")
        await easel.ready.wait()
        if easel.error:
            raise NotAvailable("This match cannot be drawn now.")
        now = asyncio.get_running_loop().time()
        drawn = easel.rounds.get(number)
        if drawn is None or drawn.seq != easel.seq or now - drawn.asked_at > CHECK_SECONDS:
            line = asyncio.create_task(self._drawn_round(match_id, number, easel.seq))
            drawn = easel.rounds[number] = _DrawnRound(easel.seq, now, line)
        try:
            return await asyncio.shield(drawn.line)  # others wait for it, too
        except (NotAvailable, DatabaseError):
            if easel.rounds.get(number) is drawn:
                del easel.rounds[number]
            raise

    async def _drawn_round(self, match_id: int, number: int, seq: int) -> str:
        html = await database_sync_to_async(self._draw_round)(match_id, number, seq)
        return json.dumps({"t": "round", "seq": seq, "round": number, "html": html})

    @contextlib.asynccontextmanager
    async def watch(self, match_id: int) -> AsyncIterator[asyncio.Queue[str]]:
        """A queue of drawings and frames. Raises NotAvailable, RedisError, DatabaseError."""
        if (easel := self._easels.get(match_id)) is None:
            easel = self._easels[match_id] = _Easel()
        if easel.painting is None:
            easel.painting = asyncio.create_task(self._paint(match_id, easel))
        easel.spectators += 1
        try:
            await easel.ready.wait()
            if easel.error:
                raise easel.error
            async with stream.hub().watch(stream.match_channel(match_id)) as queue:
                yield queue
        finally:
            easel.spectators -= 1
            if not easel.spectators:
                self._put_away(match_id, easel)
                easel.painting.cancel()

    async def _paint(self, match_id: int, easel: _Easel) -> None:
        channel = stream.match_channel(match_id)
        try:
            drawing = await self.draw(match_id, after=NOTHING_SINCE)  # a match that exists
            easel.seq = drawing.seq
            async with stream.hub().watch(stream.events_channel(match_id)) as events:
                easel.ready.set()
                while not drawing.is_over:
                    drawing = await self._redrawn(match_id, easel, drawing, events)
            stream.hub().tell(channel, stream.OVER)
        except (NotAvailable, redis.RedisError, DatabaseError) as error:
            easel.error = error
            stream.hub().tell(channel, stream.RESYNC)
        finally:
            easel.ready.set()
            self._put_away(match_id, easel)

    async def _redrawn(
        self, match_id: int, easel: _Easel, before: Drawing, events: asyncio.Queue[str]
    ) -> Drawing:
        """The next drawing; everybody has been told of it."""
        channel = stream.match_channel(match_id)
        try:
            drawing = await self.draw(match_id, after=before.seq)
        except DatabaseError as error:
            log.warning("match_not_drawn", match=match_id, error=type(error).__name__)
            await asyncio.sleep(RETRY_SECONDS)
            return before
        easel.seq = drawing.seq
        if drawing.seq > before.seq:
            stream.hub().tell(channel, drawing.line)
        if drawing.is_over:
            return drawing
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CHECK_SECONDS):
                lines = [await events.get()]
            if stream.RESTORED in [*lines, *stream.waiting(events)]:
                for line in await self.text_in_progress(match_id, drawing):
                    stream.hub().tell(channel, line)
        return drawing

    async def text_in_progress(self, match_id: int, drawing: Drawing) -> list[str]:
        """The answers that are being written, from their beginning."""
        lines = []
        for number in sorted(drawing.playing):
            for seat, (turn, text) in (await stream.hub().live_text(match_id, number)).items():
                lines.append(stream.reset_message(number, seat, turn))
                lines.append(stream.text_message(number, seat, turn, 0, text))
        return lines

    def _put_away(self, match_id: int, easel: _Easel) -> None:
        if self._easels.get(match_id) is easel:
            del self._easels[match_id]
