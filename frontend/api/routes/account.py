"""Whom a token speaks for."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Router, Schema

from agents.api_tokens import Scope, TokenAccount, account_of
from arena.matches.practice.practising import practice_left
from frontend.api.edge import answers, needs, token_id, user_id

router = Router()


class PracticeAllowance(Schema):
    """Practice matches against the house of one day, in UTC."""

    a_day: int
    left_today: int


@router.get("", response=answers(TokenAccount), **needs(None), summary="Whom your token speaks for")
def who_am_i(request: HttpRequest) -> Any:
    """Its user, its scopes, and until when it is valid. Any valid token may ask."""
    return account_of(user_id(request), token_id=token_id(request))


@router.get(
    "/practice",
    response=answers(PracticeAllowance),
    **needs(Scope.READ),
    summary="How many practice matches you may still play today",
)
def practice(request: HttpRequest) -> Any:
    return {
        "a_day": settings.ENV.practice_a_day,
        "left_today": practice_left(user_id(request)),
    }
