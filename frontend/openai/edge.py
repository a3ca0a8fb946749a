"""What every answer of the endpoint shares: who asks, how often they may, and how a refusal looks."""

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from agents.api_tokens import Caller, Scope, caller_of
from agents.errors import NotAvailable, PromptTooLong, Refused
from agents.inference.chat import BadValue
from agents.inference.replies import InferenceUnavailable
from arena.credits.ledger import InsufficientCredits
from arena.talks.charging import TooManyAtOnce
from arena.talks.talking import TalkEnded, in_thread
from frontend.api.edge import RequestLimit
from frontend.openai.errors import EndpointError

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, Caller, P], Coroutine[Any, Any, HttpResponseBase]]
Endpoint = Callable[Concatenate[HttpRequest, P], Coroutine[Any, Any, HttpResponseBase]]


def endpoint(method: str) -> Callable[[View[P]], Endpoint[P]]:
    """A view for programs whose token has the scope `talk`; it gets the caller."""

    def wrap(view: View[P]) -> Endpoint[P]:
        @csrf_exempt
        @wraps(view)
        async def inner(
            request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs
        ) -> HttpResponseBase:
            caller, limit = await in_thread(_admitted)(request)
            response: HttpResponseBase
            try:
                allowed = _check(request, method, caller, limit)
                response = await view(request, allowed, *args, **kwargs)
            except (EndpointError, Refused, InferenceUnavailable) as error:
                response = endpoint_error(error).response()
            if limit.is_reached:
                response["Retry-After"] = str(limit.reset_seconds)
            limit.tell(response)
            response["Cache-Control"] = "no-store"
            return response

        return inner

    return wrap


def endpoint_error(error: Exception) -> EndpointError:
    """What the program is told of it."""
    message = str(error)
    match error:
        case EndpointError():
            return error
        case NotAvailable():
            return EndpointError(404, message, code="model_not_found", param="model")
        case PromptTooLong():
            return EndpointError(400, message, code="context_length_exceeded", param="messages")
        case BadValue():
            return EndpointError(400, message, code="invalid_value", param=error.name)
        case InsufficientCredits():
            return EndpointError(402, message, code="insufficient_quota")
        case TooManyAtOnce():
            return EndpointError(429, message, code="rate_limit_exceeded")
        case TalkEnded():
            return EndpointError(403, message, code="answer_ended")
        case Refused():
            return EndpointError(400, message, code="invalid_value")
        case InferenceUnavailable():
            return EndpointError(
                503, "No model answers now. Nothing is charged; try again in a little while."
            )
        case _:
            raise AssertionError("no refusal") from error


def _admitted(request: HttpRequest) -> tuple[Caller | None, RequestLimit]:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    caller = caller_of(token.strip()) if scheme.lower() == "bearer" else None
    return caller, RequestLimit.of(request, caller)


def _check(request: HttpRequest, method: str, caller: Caller | None, limit: RequestLimit) -> Caller:
    if limit.is_reached:
        raise EndpointError(
            429, "That was too many requests. Wait a little.", code="rate_limit_exceeded"
        )
    if caller is None:
        raise EndpointError(
            401,
            "The key must be a valid token of this site. Make one on the page \u201cAPI tokens\u201d.",
            code="invalid_api_key",
        )
    if Scope.TALK not in caller.scopes:
        raise EndpointError(
            403, "This token lacks the scope \u201ctalk\u201d.", code="insufficient_permissions"
        )
    if request.method != method:
        raise EndpointError(405, f"This takes {method} requests only.")
    return caller
