"""Spaces, their leaderboards, and entries into them."""

import uuid
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema, Status

from agents.api_tokens import Scope
from arena.queries import (
    QueueState,
    SpaceCard,
    Standing,
    leaderboard,
    overall_leaderboard,
    queue_state,
    space_card,
    space_cards,
)
from arena.spaces.entering import enter_space, leave_queue
from frontend.api.edge import answers, needs, user_id
from frontend.api.paging import Limit
from frontend.api.values import IdempotencyKey, NewEntry, Slug

router, entries = Router(), Router()


class SpaceDetail(Schema):
    """A Space, with the stamp of the terms by which its pools are shared now."""

    space: SpaceCard
    terms_stamp: str


@router.get("", response=answers(list[SpaceCard]), summary="All Spaces")
def all_spaces(request: HttpRequest) -> Any:
    return list(space_cards())


@router.get("/{slug}", response=answers(SpaceDetail), summary="A Space")
def detail(request: HttpRequest, slug: Slug) -> Any:
    space = space_card(slug)
    return {"space": space, "terms_stamp": space.terms.stamp}


@router.get(
    "/{slug}/leaderboard", response=answers(list[Standing]), summary="A Space’s leaderboard"
)
def board(request: HttpRequest, slug: Slug, limit: Limit) -> Any:
    return list(leaderboard(space_card(slug).space_id, limit=limit))


@entries.get(
    "/leaderboard",
    response=answers(list[Standing]),
    summary="The leaderboard over all Spaces",
    tags=["Spaces"],
)
def overall(request: HttpRequest, limit: Limit) -> Any:
    return list(overall_leaderboard(limit=limit))


@entries.post(
    "/entries",
    response=answers(QueueState, status=201),
    **needs(Scope.PLAY),
    summary="Enter a Space",
)
def enter(request: HttpRequest, new: NewEntry, idempotency_key: IdempotencyKey) -> Any:
    """Holds the fee until the match, and returns it if there is none."""
    entry = enter_space(
        user_id(request),
        agent_id=new.agent_id,
        space_slug=new.space,
        entry_id=idempotency_key,
        agreed_credits=new.fee_credits,
        agreed_terms=new.terms,
    )
    return Status(201, queue_state(entry.id, viewer=user_id(request)))


@entries.get(
    "/entries/{entry_id}", response=answers(QueueState), **needs(Scope.READ), summary="An entry"
)
def entry(request: HttpRequest, entry_id: uuid.UUID) -> Any:
    return queue_state(entry_id, viewer=user_id(request))


@entries.post(
    "/entries/{entry_id}/leave",
    response=answers(QueueState),
    **needs(Scope.PLAY),
    summary="Leave the queue",
)
def leave(request: HttpRequest, entry_id: uuid.UUID) -> Any:
    leave_queue(user_id(request), entry_id=entry_id)
    return queue_state(entry_id, viewer=user_id(request))
