"""Whom a token speaks for."""

from typing import Any

from django.http import HttpRequest
from ninja import Router

from agents.api_tokens import TokenAccount, account_of
from frontend.api.edge import answers, needs, token_id, user_id

router = Router()


@router.get("", response=answers(TokenAccount), **needs(None), summary="Whom your token speaks for")
def who_am_i(request: HttpRequest) -> Any:
    """Its user, its scopes, and until when it is valid. Any valid token may ask."""
    return account_of(user_id(request), token_id=token_id(request))
