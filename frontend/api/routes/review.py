"""What becomes of verdicts: appeals, and how the audience sees them.

A blind vote is no operation: it says what people prefer, and a program is nobody of the audience.
docs/decisions/audience.md
"""

from typing import Any

from django.http import HttpRequest
from ninja import Router, Status

from agents.api_tokens import Scope
from agents.errors import Refused
from arena.live.following import check_match
from arena.queries import MatchAppeals, RoundAudience, audience_of_match, match_appeals
from arena.review.appealing import appeal
from frontend.api.edge import answers, needs, user_id, viewer
from frontend.api.values import NewAppeal, RoundNumber, RowId

router = Router()


@router.get("/{match_id}/appeals", response=answers(MatchAppeals), summary="A match’s appeals")
def appeals(request: HttpRequest, match_id: RowId) -> Any:
    """What other panels said; to a token of somebody who sat there, which rounds can be appealed."""
    return _appeals(match_id, viewer(request))


@router.post(
    "/{match_id}/rounds/{number}/appeal",
    response=answers(MatchAppeals, status=201),
    **needs(Scope.PLAY),
    summary="Have another panel look at a round",
)
def ask(request: HttpRequest, match_id: RowId, number: RoundNumber, new: NewAppeal) -> Any:
    """Holds a fee, which comes back if the order changes. A person has one appeal of a round: who asks
    again finds the first one and pays nothing."""
    appeal(user_id(request), agent_id=new.agent_id, match_id=match_id, number=number)
    return Status(201, _appeals(match_id, user_id(request)))


@router.get(
    "/{match_id}/audience",
    response=answers(list[RoundAudience]),
    summary="How the audience’s blind votes agree with a match’s panel",
)
def audience(request: HttpRequest, match_id: RowId) -> Any:
    check_match(match_id)
    return list(audience_of_match(match_id))


def _appeals(match_id: int, seen_by: int | None) -> MatchAppeals:
    found = match_appeals(match_id, viewer=seen_by)
    if found is None:
        raise Refused("This match is not settled, so there is nothing to appeal.")
    return found
