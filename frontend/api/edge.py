"""What every answer of the API shares: who asks, how often they may, and how a refusal looks."""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, cast

import structlog
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import conditional_page
from ninja import Schema
from ninja.errors import HttpError
from ninja.security import HttpBearer
from redis import RedisError

from agents.api_tokens import Caller, Scope, caller_of
from arena.live.audience import network_of

WINDOW_SECONDS = 60
REQUESTS_WITH_TOKEN = 600  # in a window, of all tokens of a person
REQUESTS_WITHOUT = 120  # in a window, from one network

log = structlog.get_logger(__name__)

View = Callable[..., HttpResponseBase]


class Problem(Schema):
    """Why there is no answer."""

    detail: str


class InvalidField(Schema):
    """A value that cannot be used."""

    field: str
    message: str


class InvalidRequest(Problem):
    """Values that cannot be used, each with a sentence."""

    errors: list[InvalidField] = []


def answers(success: Any, *, status: int = 200) -> dict[Any, Any]:
    """The statuses of an operation, for its documentation: the answer, and every refusal."""
    return {
        status: success,
        422: InvalidRequest,
        frozenset({400, 401, 402, 403, 404, 409, 413, 429, 503}): Problem,
    }


class ApiRequest(HttpRequest):
    """A request that `at_the_edge` let through."""

    caller: Caller | None


class May(HttpBearer):
    """Needs a token with the scope; None: any token that is valid."""

    def __init__(self, scope: Scope | None) -> None:
        super().__init__()
        self.scope = scope

    def __call__(self, request: HttpRequest) -> Caller | None:
        caller = cast(ApiRequest, request).caller
        if caller is not None and self.scope is not None and self.scope not in caller.scopes:
            raise HttpError(403, f"This token lacks the scope \u201c{self.scope}\u201d.")
        return caller

    def authenticate(self, request: HttpRequest, token: str) -> Caller | None:
        raise AssertionError("__call__ does not ask")


def needs(scope: Scope | None, *, sends: str = "", ranges: bool = False) -> dict[str, Any]:
    """Of an operation: a token with the scope, and its documentation says so; None: with any scopes.

    `sends`: the media type of a file, which is its answer; with `ranges`, also of parts of it.
    """
    extra: dict[str, Any] = {"x-scope": scope.value} if scope else {}
    if sends:
        file = {"content": {sends: {"schema": {"type": "string", "format": "binary"}}}}
        extra["responses"] = dict.fromkeys((200, 206) if ranges else (200,), file)
    return {"auth": May(scope), **({"openapi_extra": extra} if extra else {})}


def user_id(request: HttpRequest) -> int:
    """Of the token of an operation that needs one."""
    return _caller(request).user_id


def token_id(request: HttpRequest) -> int:
    """The token itself, of an operation that needs one."""
    return _caller(request).token_id


def viewer(request: HttpRequest) -> int | None:
    """Whose private things a public operation may add; None without a token that may read them."""
    caller = cast(ApiRequest, request).caller
    return caller.user_id if caller and Scope.READ in caller.scopes else None


def _caller(request: HttpRequest) -> Caller:
    caller = cast(ApiRequest, request).caller
    assert caller is not None, "the operation needs a token"
    return caller


def at_the_edge(view: View) -> View:
    """Recognise the token, count the request, and answer 304 if nothing has changed."""
    conditional = conditional_page(view)

    @wraps(view)
    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        caller = caller_of(token.strip()) if scheme.lower() == "bearer" else None
        limit = RequestLimit.of(request, caller)
        response: HttpResponseBase
        if limit.is_reached:
            response = problem(429, "That was too many requests. Wait a little, then go on.")
            response["Retry-After"] = str(limit.reset_seconds)
        elif scheme and caller is None:
            response = unauthorised("This token is not valid (any more).")
        else:
            cast(ApiRequest, request).caller = caller
            response = conditional(request, *args, **kwargs)
        limit.tell(response)
        response["Cache-Control"] = "private, no-cache"  # ask again, with the ETag
        response["Vary"] = "Authorization"
        return response

    return inner


def problem(status: int, detail: str) -> HttpResponse:
    return JsonResponse({"detail": detail}, status=status)


def unauthorised(detail: str) -> HttpResponse:
    response = problem(401, detail)
    response["WWW-Authenticate"] = "Bearer"
    return response


class RequestLimit:
    """Requests of one person's tokens or of one network in the current window."""

    def __init__(self, key: str, bound: int) -> None:
        now = int(time.time())
        window = now // WINDOW_SECONDS
        self.bound = bound
        self.reset_seconds = (window + 1) * WINDOW_SECONDS - now
        self.used = _counted(f"api:{key}:{window}")

    @classmethod
    def of(cls, request: HttpRequest, caller: Caller | None) -> "RequestLimit":
        if caller is not None:
            # Of all the person's tokens: each could make itself another one.
            return cls(f"user:{caller.user_id}", REQUESTS_WITH_TOKEN)
        network = network_of(request.META.get("REMOTE_ADDR") or "")
        return cls(f"network:{network}", REQUESTS_WITHOUT)

    @property
    def is_reached(self) -> bool:
        return self.used > self.bound

    def tell(self, response: HttpResponseBase) -> None:
        response["RateLimit-Limit"] = str(self.bound)
        response["RateLimit-Remaining"] = str(max(0, self.bound - self.used))
        response["RateLimit-Reset"] = str(self.reset_seconds)


def _counted(key: str) -> int:
    """How often the key was counted in its window, this time included; 0 while Valkey is away."""
    try:
        cache.add(key, 0, timeout=2 * WINDOW_SECONDS)
        return cache.incr(key)
    except ValueError:  # it expired between the two
        return 1
    except RedisError as error:
        # Nobody is refused for it.
        log.warning("api_limit_not_counted", error=type(error).__name__)
        return 0
