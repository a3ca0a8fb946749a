"""A worker's hold on a row for a while; once it has expired, another worker may take the row.

Rows that can be held have `lease_owner` and `lease_expires_at`. A row without an owner may still
rest until `lease_expires_at`: nothing looks for it before. How long each is held or rests is its
verbs' business.
"""

import uuid
from datetime import datetime
from typing import Any, Protocol

from django.db.models import Q, QuerySet
from django.utils import timezone


class LeaseLost(Exception):
    """The row is another worker's now, or nobody's to hold any more: stop at once."""


class Leased(Protocol):
    """A row that a worker can hold."""

    lease_owner: uuid.UUID | None
    lease_expires_at: datetime | None


def expired(*, field: str = "lease_expires_at") -> Q:
    """Rows that nobody holds and that rest no longer. `field` says where their lease stands."""
    return Q(**{field: None}) | Q(**{f"{field}__lte": timezone.now()})


def is_expired(row: Leased) -> bool:
    """The same as `expired`, of a row that is locked."""
    return row.lease_expires_at is None or row.lease_expires_at <= timezone.now()


def is_free(row: Leased) -> bool:
    """Whether a worker may take the locked row: one that only rests is nobody's."""
    return row.lease_owner is None or is_expired(row)


def held(owner: uuid.UUID, *, until: datetime) -> dict[str, Any]:
    """The fields of a row that its new owner holds."""
    return {"lease_owner": owner, "lease_expires_at": until}


def resting(*, until: datetime) -> dict[str, Any]:
    """The fields of a row that is given back."""
    return {"lease_owner": None, "lease_expires_at": until}


def renew(rows: QuerySet[Any], owner: uuid.UUID, *, until: datetime, **fields: Any) -> None:
    """Hold one's own row for longer, and write the fields with it. Raises LeaseLost."""
    if not rows.filter(lease_owner=owner).update(lease_expires_at=until, **fields):
        raise LeaseLost


def give_back(rows: QuerySet[Any], owner: uuid.UUID, *, until: datetime) -> None:
    """Let one's own row rest until then; another's stays as it is."""
    rows.filter(lease_owner=owner).update(**resting(until=until))
