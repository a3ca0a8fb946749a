"""Tokens with which programs act for a user: made, revoked, recognised."""

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from agents.errors import NotAvailable, Refused
from agents.models import ApiToken, User

PREFIX = "rlfc_"  # so that scanners of leaked secrets can tell what it is
RANDOM_BYTES = 32
SHOWN_CHARS = 12
MAX_TOKENS_OF_USER = 20
MAX_NAME_CHARS = 60
MAX_DAYS = 366
USE_IS_NOTED_EVERY = timedelta(minutes=1)


class Scope(StrEnum):
    """What a token is good for; its order is that of the form."""

    READ = "read"  # what only the owner may see: prompts, pairs, the wallet
    EXPORT = "export"  # order, repeat and delete exports
    AGENTS = "agents"  # create, edit and retire agents
    PLAY = "play"  # enter Spaces and tournaments, appeal, attack judges, which all cost credits
    TRAIN = "train"  # start and steer training runs, which cost credits
    WEBHOOKS = "webhooks"  # add, change and delete addresses that are told of events
    TALK = "talk"  # talk to versions of one's own, which costs credits


@dataclass(frozen=True)
class Caller:
    """Whom a token speaks for."""

    token_id: int
    user_id: int
    scopes: frozenset[Scope]


@dataclass(frozen=True)
class TokenLine:
    """A token as its owner sees it in a list."""

    token_id: int
    name: str
    beginning: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True)
class TokenAccount:
    """Whom a token speaks for, as its program is told."""

    user_id: int
    username: str
    token_name: str
    scopes: tuple[Scope, ...]
    expires_at: datetime | None


def create_token(
    user_id: int, *, name: str, scopes: Collection[Scope], days: int | None = None
) -> str:
    """The new token, which nobody can be told again. Raises Refused with a sentence.

    `days`: how long it is valid; None: until it is revoked.
    """
    name = name.strip()
    if not name or len(name) > MAX_NAME_CHARS or not name.isprintable():
        raise Refused(f"Give the token a name of 1 to {MAX_NAME_CHARS} visible characters.")
    if not scopes:
        raise Refused("Choose at least one thing that the token may do.")
    if days is not None and not 1 <= days <= MAX_DAYS:
        raise Refused(f"A token is valid for 1 to {MAX_DAYS} days, or until it is revoked.")
    token = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
    with transaction.atomic(durable=True):
        user = (
            User.objects.select_for_update(no_key=True)
            .filter(id=user_id, leaving_since=None)
            .first()
        )
        if user is None:
            raise NotAvailable("There is no such account.")
        if _valid().filter(user=user).count() >= MAX_TOKENS_OF_USER:
            raise Refused(
                f"You have {MAX_TOKENS_OF_USER} tokens, which is the most. Revoke one first."
            )
        ApiToken.objects.create(
            user=user,
            name=name,
            digest=_digest(token),
            beginning=token[:SHOWN_CHARS],
            scopes=[scope.value for scope in Scope if scope in scopes],
            expires_at=timezone.now() + timedelta(days=days) if days else None,
        )
    return token


def revoke_token(user_id: int, *, token_id: int) -> None:
    """End the token at once; doing so again changes nothing."""
    own = ApiToken.objects.filter(id=token_id, user_id=user_id)
    if not own.exists():
        raise NotAvailable("You have no such token.")
    own.filter(revoked_at=None).update(revoked_at=timezone.now())


def tokens_of(viewer: int) -> tuple[TokenLine, ...]:
    """The user's tokens that are valid, newest first."""
    return tuple(
        TokenLine(
            token_id=row.pk,
            name=row.name,
            beginning=row.beginning,
            scopes=_scopes_of(row),
            created_at=row.created_at,
            expires_at=row.expires_at,
            last_used_at=row.last_used_at,
        )
        for row in _valid().filter(user_id=viewer).order_by("-id")
    )


def account_of(viewer: int, *, token_id: int) -> TokenAccount:
    """What one of the user's valid tokens is. Raises NotAvailable."""
    row = _valid().filter(id=token_id, user_id=viewer).select_related("user").first()
    if row is None:
        raise NotAvailable("You have no such token.")
    return TokenAccount(
        user_id=row.user_id,
        username=row.user.username,
        token_name=row.name,
        scopes=_scopes_of(row),
        expires_at=row.expires_at,
    )


def caller_of(token: str) -> Caller | None:
    """Whom the token speaks for; None if it is not, or no longer, valid. For the system.

    Notes that the token was used, at most once a minute.
    """
    row = _valid().filter(digest=_digest(token), user__is_active=True).first()
    if row is None:
        return None
    now = timezone.now()
    if row.last_used_at is None or row.last_used_at < now - USE_IS_NOTED_EVERY:
        ApiToken.objects.filter(pk=row.pk).update(last_used_at=now)
    return Caller(row.pk, row.user_id, frozenset(_scopes_of(row)))


def is_valid(token_id: int) -> bool:
    """Whether the token still is. For the system."""
    return _valid().filter(id=token_id, user__is_active=True).exists()


def _scopes_of(row: ApiToken) -> tuple[Scope, ...]:
    """Without those that only a newer release knows, which may run beside this one."""
    return tuple(scope for scope in Scope if scope in row.scopes)


def _valid() -> QuerySet[ApiToken]:
    lasts = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    return ApiToken.objects.filter(lasts, revoked_at=None)


def _digest(token: str) -> str:
    # The token is 256 random bits: a slow hash would protect nothing more.
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
