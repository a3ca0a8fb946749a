"""A worker's hold on a row for a while; once it has expired, another worker may take the row.

Rows that can be held have `lease_owner` and `lease_expires_at`. A row without an owner may still
rest until `lease_expires_at`: nothing picks it up before then. Its verbs decide how long a row is
held or rests.
"""

import uuid
from datetime import datetime, timedelta
from typing import Any, Protocol

from django.conf import settings
from django.db import connection
from django.db.models import Q, QuerySet
from django.utils import timezone

# Nothing is held or rests for longer than this many times TAKEOVER_SECONDS. What seems to was written
# before the clock was set back, and would otherwise keep its row for all that time.
LONGEST_TAKEOVERS = 10.0


class LeaseLost(Exception):
    """The row now belongs to another worker, or can no longer be held; stop at once."""


def takeover(times: float = 1.0) -> timedelta:
    """How long a lease outlives its worker's last sign of life, or a multiple of that."""
    return timedelta(seconds=times * settings.ENV.takeover_seconds)


def longest() -> timedelta:
    """The most for which a row may be held or rest."""
    return takeover(LONGEST_TAKEOVERS)


class Leased(Protocol):
    """A row that a worker can hold."""

    lease_owner: uuid.UUID | None
    lease_expires_at: datetime | None


def expired(*, field: str = "lease_expires_at") -> Q:
    """Rows that nobody holds and that no longer rest. `field` names the lease's column."""
    now = timezone.now()
    return Q(**{field: None}) | Q(**{f"{field}__lte": now}) | Q(**{f"{field}__gt": now + longest()})


def is_expired(row: Leased) -> bool:
    """The same as `expired`, for a locked row."""
    if row.lease_expires_at is None:
        return True
    left = row.lease_expires_at - timezone.now()
    return not timedelta(0) < left <= longest()


def written_before(moment: datetime, *, field: str) -> Q:
    """Rows of before that moment, and those that seem to come from the future."""
    return Q(**{f"{field}__lt": moment}) | Q(**{f"{field}__gt": timezone.now()})


def is_free(row: Leased) -> bool:
    """Whether a worker may take the locked row: a row that only rests has no owner."""
    return row.lease_owner is None or is_expired(row)


def held(owner: uuid.UUID, *, until: datetime) -> dict[str, Any]:
    """The fields of a row held by its new owner."""
    return {"lease_owner": owner, "lease_expires_at": until}


def resting(*, until: datetime) -> dict[str, Any]:
    """The fields of a released row."""
    return {"lease_owner": None, "lease_expires_at": until}


def renew(rows: QuerySet[Any], owner: uuid.UUID, *, until: datetime, **fields: Any) -> None:
    """Renew the owner's lease and write the fields with it. Raises LeaseLost."""
    if not rows.filter(lease_owner=owner).update(lease_expires_at=until, **fields):
        raise LeaseLost


def give_back(rows: QuerySet[Any], owner: uuid.UUID, *, until: datetime) -> None:
    """Let the owner's row rest until then; another worker's row is left alone."""
    rows.filter(lease_owner=owner).update(**resting(until=until))


def one_at_a_time(number: int) -> None:
    """Wait for whoever holds this advisory lock, then hold it until the caller's transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])
