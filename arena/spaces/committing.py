"""Secrets that decide tasks: committed to before anybody is seated, revealed when the match is over.

Why: docs/decisions/committed-tasks.md
"""

import secrets

from agents.canonical import text_digest
from arena.models import Entry, EntryStatus, TaskSecret

# Secrets of a Space that wait for a match, at the least: there is also one for each waiting entry, so
# that one sweep can seat them all.
STOCK = 16
MOST_STOCK = 10_000
SECRET_BYTES = 32


def keep_committed(space_id: int) -> None:
    """Fill up the Space's stock of committed secrets. The caller holds the Space's lock."""
    entries = Entry.objects.filter(space_id=space_id, status=EntryStatus.QUEUED).count()
    waiting = TaskSecret.objects.filter(space_id=space_id, match=None).count()
    missing = min(max(STOCK, entries), MOST_STOCK) - waiting
    TaskSecret.objects.bulk_create(_new(space_id) for _ in range(missing))


def waiting_secrets(space_id: int, *, limit: int) -> list[TaskSecret]:
    """Those that no match has taken, in the order in which matches take them."""
    waiting = TaskSecret.objects.filter(space_id=space_id, match=None)
    return list(waiting.order_by("id")[:limit])


def secret_of(match_id: int) -> str:
    """What the match's tasks are drawn from; empty if it was seated before there were secrets.

    Not for pages: until the match is over, only its worker may know.
    """
    found = TaskSecret.objects.filter(match_id=match_id).values_list("secret", flat=True).first()
    return found or ""


def _new(space_id: int) -> TaskSecret:
    secret = secrets.token_hex(SECRET_BYTES)
    return TaskSecret(space_id=space_id, secret=secret, commitment=text_digest(secret))
