"""The ledger's audit as one look at the database, and how the last one ended."""

import time
from dataclasses import dataclass

import structlog
from django.core.cache import cache
from django.db import connection, transaction
from redis import RedisError

from arena.credits import ledger

AUDIT_EVERY_SECONDS = 86_400.0
_KEY = "ledger-audit"
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class AuditVerdict:
    """How the last audit ended; `at`: seconds of Unix time."""

    at: float
    problems: int


def audit_now() -> ledger.AuditResult:
    """Re-add every transfer, and keep the verdict. For the system: it reads all accounts."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        # One snapshot: a transfer made while we add is seen completely or not at all.
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        result = ledger.audit()
    try:
        cache.set(_KEY, (time.time(), len(result.problems)), timeout=None)
    except RedisError as error:
        log.warning("audit_not_noted", error=type(error).__name__)
    if result.problems:
        log.error("ledger_differs", problems=len(result.problems))
    return result


def audit_if_due() -> None:
    """Audit unless the last audit is known to be of less than a day ago."""
    verdict = last_verdict()
    # One of the future was noted before the clock was set back.
    if verdict is None or not 0 <= time.time() - verdict.at < AUDIT_EVERY_SECONDS:
        audit_now()


def last_verdict() -> AuditVerdict | None:
    """None if there was no audit yet, or Valkey is away or was emptied."""
    try:
        found = cache.get(_KEY)
    except RedisError:
        return None
    return AuditVerdict(*found) if found else None
