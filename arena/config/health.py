"""/health/ says whether this web process can do its work."""

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

TIMEOUT_SECONDS = 2


@never_cache
@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """200 if the database and Valkey answer, else 503; says which failed, never why."""
    found = {"database": _database(), "valkey": _valkey()}
    return JsonResponse(found, status=200 if all(found.values()) else 503)


def _database() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def _valkey() -> bool:
    try:
        with redis.Redis.from_url(settings.VALKEY_URL, socket_timeout=TIMEOUT_SECONDS) as client:
            client.ping()
    except (redis.RedisError, OSError):
        return False
    return True
