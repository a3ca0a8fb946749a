"""Spaces, their leaderboards, and entries into them."""

from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema, Status

from agents.api_tokens import Scope
from agents.names import stored_form
from arena.environments.base import EnvironmentFault
from arena.matches.practice.practising import practice_left, practise
from arena.queries import (
    Curriculum,
    LengthControl,
    QueueState,
    SpaceAgreement,
    SpaceAudience,
    SpaceCard,
    SpaceSeasons,
    Standing,
    curriculum_of,
    leaderboard,
    next_commitments,
    overall_leaderboard,
    owner_results,
    queue_state,
    seasons_of,
    space_agreement,
    space_card,
    space_cards,
    space_id_of,
    usual_wait,
)
from arena.spaces.entering import enter_space, leave_queue
from arena.spaces.waits import ExpectedWait
from frontend.api.edge import answers, needs, user_id
from frontend.api.paging import Limit
from frontend.api.values import Fee, IdempotencyKey, NewEntry, NewPractice, RowUuid, Slug, Username
from frontend.pages.spaces import audience_shown, length_control_shown

router, entries = Router(), Router()


class SpaceDetail(Schema):
    """A Space, with the stamp of the terms by which its pools are shared now."""

    space: SpaceCard
    terms_stamp: str


class PracticeStarted(Schema):
    """A practice match, and how many more may follow today."""

    match_id: int
    left_today: int


class SpaceFigures(Schema):
    """What a Space's page says of its tasks and its judges; null where there is nothing to say."""

    curriculum: Curriculum | None
    agreement: SpaceAgreement | None
    lengths: LengthControl | None
    audience: SpaceAudience | None
    commitments: list[str]
    expected_wait: ExpectedWait | None


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
    return list(leaderboard(space_id_of(slug), limit=limit))


@router.post(
    "/{slug}/practice",
    response=answers(PracticeStarted, status=201),
    **needs(Scope.PLAY),
    summary="Practise against the house",
)
def practice(
    request: HttpRequest, slug: Slug, new: NewPractice, idempotency_key: IdempotencyKey
) -> Any:
    """A free match that starts at once and from which nothing follows: no prize, rating or pair."""
    started = practise(
        user_id(request),
        agent_id=new.agent_id,
        space_slug=slug,
        practice_id=idempotency_key,
    )
    return Status(
        201, {"match_id": started.match_id, "left_today": practice_left(user_id(request))}
    )


@router.get("/{slug}/seasons", response=answers(SpaceSeasons), summary="The seasons of a Space")
def seasons(request: HttpRequest, slug: Slug) -> Any:
    """The month that is being played, and past ones with their prizes."""
    return seasons_of(space_id_of(slug))


@router.get(
    "/{slug}/people/{username}",
    response=answers(list[Standing]),
    summary="A person’s results in a Space",
)
def person(request: HttpRequest, slug: Slug, username: Username) -> Any:
    """Every agent with which the person has played there, retired ones included."""
    return list(owner_results(space_id_of(slug), stored_form(username)))


@router.get(
    "/{slug}/figures",
    response=answers(SpaceFigures),
    summary="How hard a Space’s tasks are, how its judges agree, and how long one waits",
)
def figures(request: HttpRequest, slug: Slug, fee_credits: Fee) -> Any:
    """The wait is that at one of the Space’s fees, its usual one if none is named."""
    space = space_card(slug)
    try:
        curriculum = curriculum_of(space.space_id, space.environment)
    except EnvironmentFault:  # the Space has everything else
        curriculum = None
    return {
        "curriculum": curriculum,
        "agreement": space_agreement(space.space_id) if len(space.panel) > 1 else None,
        "lengths": length_control_shown(space.space_id) if space.is_judged else None,
        "audience": audience_shown(space.space_id) if space.is_judged else None,
        "commitments": list(next_commitments(space.space_id)),
        "expected_wait": usual_wait(
            space.space_id, fee_credits=space.tier(fee_credits).fee_credits
        ),
    }


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
def entry(request: HttpRequest, entry_id: RowUuid) -> Any:
    return queue_state(entry_id, viewer=user_id(request))


@entries.post(
    "/entries/{entry_id}/leave",
    response=answers(QueueState),
    **needs(Scope.PLAY),
    summary="Leave the queue",
)
def leave(request: HttpRequest, entry_id: RowUuid) -> Any:
    leave_queue(user_id(request), entry_id=entry_id)
    return queue_state(entry_id, viewer=user_id(request))
