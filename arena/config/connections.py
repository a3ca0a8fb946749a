"""When a page gives its database connection back."""

from collections.abc import Callable

from django.db import connections
from django.http import HttpRequest
from django.http.response import HttpResponseBase


class ReturnConnectionMiddleware:
    """Gives the connection back to the pool once the page is made, before any of it is sent.

    Django does it after the last byte, so that each slow reader would keep one. The outermost
    middleware, and synchronous: what is inside it has no more to ask, and used this very thread.
    """

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        try:
            return self.get_response(request)
        finally:
            for connection in connections.all(initialized_only=True):
                if not connection.in_atomic_block:  # else a test holds it
                    connection.close_if_unusable_or_obsolete()
