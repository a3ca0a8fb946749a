"""What a page says while Valkey is away: limits on signing in are kept there, and must not vanish."""

from collections.abc import Awaitable, Callable

import redis
import structlog
from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

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
