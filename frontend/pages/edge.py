"""What every page's edge shares: 404s for what a user may not see, refusals as messages."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.http import require_http_methods

from agents.errors import NotAvailable, Refused
from agents.models import User

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


class SignedInRequest(HttpRequest):
    """A request that `owner_page` let through."""

    user: User


SignedInView = Callable[Concatenate[SignedInRequest, P], HttpResponseBase]


def public_page(*methods: str) -> Callable[[View[P]], View[P]]:
    """Anybody may look; a row that is not available is a 404."""

    def wrap(view: View[P]) -> View[P]:
        return require_http_methods(list(methods or ("GET", "HEAD")))(_hiding(view))

    return wrap


def owner_page(*methods: str) -> Callable[[SignedInView[P]], View[P]]:
    """Signed-in users only; the view takes rows through arena.access."""

    def wrap(view: SignedInView[P]) -> View[P]:
        inner = cast(View[P], _hiding(cast(View[P], view)))
        return require_http_methods(list(methods or ("GET", "HEAD")))(login_required(inner))

    return wrap


def refuse(request: HttpRequest, error: Refused) -> None:
    """Show the refusal's sentence on the next page."""
    messages.error(request, str(error))


def viewer_id(request: HttpRequest) -> int | None:
    return request.user.pk if request.user.is_authenticated else None


def _hiding(view: View[P]) -> View[P]:
    @wraps(view)
    def inner(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except NotAvailable as error:
            raise Http404(str(error)) from None

    return inner


def not_cached(response: HttpResponse) -> HttpResponse:
    """Fragments of a live page must be as new as the event that asked for them."""
    response["Cache-Control"] = "no-store"
    return response
