"""Matches: lists, one, its rounds, and its events as they come."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from typing import Annotated, Any

from django.db import DatabaseError
from django.http import HttpRequest, StreamingHttpResponse
from ninja import Query, Router, Schema
from ninja.errors import HttpError
from redis import RedisError

from arena.live.consumers import audience
from arena.live.following import check_match, follow
from arena.queries import (
    MatchCard,
    MatchCredits,
    MatchSnapshot,
    RoundView,
    live_matches,
    match_credits,
    match_snapshot,
    recent_matches,
    round_view,
    space_id_of,
)
from frontend.api.edge import answers, viewer
from frontend.api.paging import Cursor, Limit, Page, id_of, page_of
from frontend.api.values import RoundNumber, RowId

router = Router()

SpaceSlug = Annotated[
    str, Query("", pattern=r"^[-a-zA-Z0-9_]*$", max_length=50, description="Only of this Space.")
]
LAST_SEQ = 2**31 - 1
AfterSeq = Annotated[int, Query(0, ge=0, le=LAST_SEQ, description="The `seq` of the last known.")]


class MatchEventLine(Schema):
    """One event; `digest` covers it and the digest before it, so that the match proves itself."""

    seq: int
    kind: str
    payload: dict[str, Any]
    previous_digest: str
    digest: str


@router.get("", response=answers(Page[MatchCard]), summary="Matches that are over")
def over(request: HttpRequest, cursor: Cursor, limit: Limit, space: SpaceSlug) -> Any:
    before = id_of(cursor, noun="matches")
    rows = recent_matches(space_slug=_existing(space), limit=limit + 1, before_id=before)
    return page_of(rows, limit, mark=lambda row: str(row.match_id), noun="matches")


@router.get("/live", response=answers(list[MatchCard]), summary="Matches under way")
def live(request: HttpRequest, limit: Limit, space: SpaceSlug) -> Any:
    return list(live_matches(space_slug=_existing(space), limit=limit))


@router.get("/{match_id}", response=answers(MatchSnapshot), summary="A match")
def detail(request: HttpRequest, match_id: RowId) -> Any:
    return match_snapshot(match_id)


@router.get(
    "/{match_id}/rounds/{number}", response=answers(RoundView), summary="A round of a match"
)
def round_of(request: HttpRequest, match_id: RowId, number: RoundNumber) -> Any:
    """The task, the answers, and what the judges said of them."""
    return round_view(match_id, number)


@router.get(
    "/{match_id}/credits", response=answers(MatchCredits), summary="The credits that a match moved"
)
def credits_of(request: HttpRequest, match_id: RowId) -> Any:
    return match_credits(match_id, viewer=viewer(request))


@router.get(
    "/{match_id}/events",
    response=answers(MatchEventLine),
    summary="A match’s events, as they come",
    openapi_extra={
        "responses": {
            200: {
                "description": "One event in a line (NDJSON) until the match is over. An empty line "
                "only says that the connection lives.",
                "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
            }
        }
    },
)
def events(request: HttpRequest, match_id: RowId, after: AfterSeq) -> Any:
    check_match(match_id)
    address = request.META.get("REMOTE_ADDR") or ""
    if not audience.has_place(address):
        raise HttpError(503, "Too many programs follow matches from your network now.")
    return StreamingHttpResponse(
        _lines(match_id, after, address), content_type="application/x-ndjson"
    )


async def _lines(match_id: int, after: int, address: str) -> AsyncIterator[bytes]:
    # What ends early misses its last event, which says that the match is over: so its reader knows.
    with audience.seat(address), _quiet():
        async with aclosing(follow(match_id, after=after)) as pieces:
            async for piece in pieces:
                lines = [json.dumps(event, ensure_ascii=False) for event in piece]
                yield ("\n".join(lines) + "\n").encode()


@contextmanager
def _quiet() -> Iterator[None]:
    try:
        yield
    except (RedisError, DatabaseError):
        return


def _existing(slug: str) -> str | None:
    if slug:
        space_id_of(slug)
    return slug or None
