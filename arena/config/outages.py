"""What a page says while Valkey or the database is away, or has no connection left.

Limits on signing in are kept in Valkey, and must not vanish with it.
"""

import sys
from collections.abc import Awaitable, Callable

import redis
import structlog
from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.defaults import server_error

RETRY_AFTER_SECONDS = 10

log = structlog.get_logger(__name__)
GetResponse = Callable[[HttpRequest], Awaitable[HttpResponseBase] | HttpResponseBase]


class ValkeyOutageMiddleware:
    """Answers 503 with a sentence where a view needs Valkey and cannot have it."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Awaitable[HttpResponseBase] | HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, redis.RedisError):
            return None
        log.error("valkey_away", path=request.path, error=type(error).__name__)
        response = render(request, "503.html", status=503)
        response["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response


def database_away_or_fault(request: HttpRequest) -> HttpResponse:
    """Django's handler500, called while the exception is handled, wherever it was raised.

    Lost connections, a full pool and a full disk are not faults of the site: 503, with a sentence.
    """
    error = sys.exc_info()[1]
    if not isinstance(error, OperationalError | InterfaceError):
        return server_error(request)
    log.error("database_away", path=request.path, error=str(error))
    # No context processors: the page must not ask the database who is looking.
    context = {"request": request, "is_form": request.method == "POST"}
    response = HttpResponse(render_to_string("503_database.html", context), status=503)
    response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response
