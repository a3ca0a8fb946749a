"""A match's events as they come, for programs: from the rows, woken by the live stream."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from channels.db import database_sync_to_async

from agents.errors import NotAvailable
from arena.live import stream
from arena.models import Match, MatchEvent
from arena.states import LIVE_MATCH_STATUSES

# The rows are asked at least so often: that a line about an event got lost costs so much at most.
CHECK_SECONDS = 10.0
EVENTS_AT_ONCE = 200


async def follow(match_id: int, *, after: int) -> AsyncGenerator[list[dict[str, Any]]]:
    """The events after that seq in order, in pieces, until the match is over.

    An empty piece comes when nothing has happened for a while. Raises RedisError, DatabaseError.
    """
    async with stream.hub().watch(stream.events_channel(match_id)) as news:
        while True:
            is_over, events = await database_sync_to_async(_since)(match_id, after)
            if events:
                after = events[-1]["seq"]
                yield events
                if len(events) == EVENTS_AT_ONCE:
                    continue
            if is_over:
                return
            try:
                async with asyncio.timeout(CHECK_SECONDS):
                    await news.get()
            except TimeoutError:
                yield []
            stream.waiting(news)


def check_match(match_id: int) -> None:
    """Raise NotAvailable if there is no such match."""
    if not Match.objects.filter(id=match_id).exists():
        raise NotAvailable("There is no such match.")


def _since(match_id: int, after: int) -> tuple[bool, list[dict[str, Any]]]:
    """Whether the match was over before the events after that seq were read, and these."""
    is_over = not Match.objects.filter(id=match_id, status__in=LIVE_MATCH_STATUSES).exists()
    rows = MatchEvent.objects.filter(match_id=match_id, seq__gt=after).order_by("seq")
    values = rows.values("seq", "kind", "payload", "previous_digest", "digest")
    return is_over, [dict(row) for row in values[:EVENTS_AT_ONCE]]
