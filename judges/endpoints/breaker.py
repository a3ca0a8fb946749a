"""Leaves a server alone that failed again and again, for all workers at once.

After MAX_FAILURES in a row it rests for REST_SECONDS; then one request is the trial: if it
succeeds, all may ask again, else the server rests once more. Kept in Valkey; while that is away,
every server may be asked.
"""

import redis
from django.core.cache import cache

MAX_FAILURES = 5
REST_SECONDS = 60
FORGET_SECONDS = 3600  # failures that are further apart are none in a row


def may_ask(server: str) -> bool:
    """Whether a request may go to this server now. Who hears yes says how it went."""
    try:
        if cache.get(_failures(server), 0) < MAX_FAILURES:
            return True
        # Who starts the next rest is the trial: one step, so that no two can be.
        return cache.add(_resting(server), 1, timeout=REST_SECONDS)
    except redis.RedisError:
        return True


def is_resting(server: str) -> bool:
    """Whether the last requests failed, so that the server is not asked as usual."""
    try:
        return bool(cache.get(_failures(server), 0) >= MAX_FAILURES)
    except redis.RedisError:
        return False


def note_success(server: str) -> None:
    try:
        cache.delete_many([_failures(server), _resting(server)])
    except redis.RedisError:
        return  # the count ends by itself


def note_failure(server: str) -> None:
    try:
        cache.add(_failures(server), 0, timeout=FORGET_SECONDS)
        if cache.incr(_failures(server)) >= MAX_FAILURES:
            cache.set(_resting(server), 1, timeout=REST_SECONDS)
    except (redis.RedisError, ValueError):
        return  # ValueError: the count ended in this moment


def _failures(server: str) -> str:
    return f"judge-endpoint-failures:{server}"


def _resting(server: str) -> str:
    return f"judge-endpoint-rests:{server}"
