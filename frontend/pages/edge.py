"""What every page's edge shares: 404s for what a user may not see, refusals as messages."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast
from urllib.parse import urlsplit

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods

from agents.errors import NotAvailable, Refused
from agents.models import User

MAX_ID_DIGITS = 19  # no row has a longer id, and int() refuses thousands of digits

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


class SignedInRequest(HttpRequest):
    """A request that `owner_page` let through."""

    user: User


SignedInView = Callable[Concatenate[SignedInRequest, P], HttpResponseBase]


def public_page(*methods: str) -> Callable[[View[P]], View[P]]:
    """Open to anybody; a row that is not available is a 404."""

    def wrap(view: View[P]) -> View[P]:
        return require_http_methods(list(methods or ("GET", "HEAD")))(_hiding(view))

    return wrap


def owner_page(*methods: str) -> Callable[[SignedInView[P]], View[P]]:
    """Signed-in users only. What is theirs is for verbs and reads to say, which take their id."""

    def wrap(view: SignedInView[P]) -> View[P]:
        inner = _signed_in(_hiding(cast(View[P], view)))
        return require_http_methods(list(methods or ("GET", "HEAD")))(inner)

    return wrap


def refuse(request: HttpRequest, error: Refused) -> None:
    """Show the refusal's sentence on the next page; what is not available stays a 404."""
    if isinstance(error, NotAvailable):
        raise error
    messages.error(request, str(error))


def viewer_id(request: HttpRequest) -> int | None:
    return request.user.pk if request.user.is_authenticated else None


def page_before(request: HttpRequest) -> str:
    """The path of the page that the form is on, "/" if unknown."""
    try:
        path = urlsplit(request.headers.get("Referer", "")).path
    except ValueError:
        return "/"
    return path if url_has_allowed_host_and_scheme(path, allowed_hosts=None) else "/"


def _signed_in(view: View[P]) -> View[P]:
    """Others sign in first, then return to the page; a refused POST returns to its form's page."""

    @wraps(view)
    def inner(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if request.user.is_authenticated:
            return view(request, *args, **kwargs)
        if request.htmx:  # type: ignore[attr-defined]
            # A page that was left open: sign-in is a page of its own, not a part of that one.
            return HttpResponse(status=204, headers={"HX-Refresh": "true"})
        is_page = request.method in ("GET", "HEAD")
        return redirect_to_login(request.get_full_path() if is_page else page_before(request))

    return inner


def _hiding(view: View[P]) -> View[P]:
    @wraps(view)
    def inner(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except NotAvailable as error:
            raise Http404(str(error)) from None

    return inner


def not_cached(response: HttpResponse) -> HttpResponse:
    """For what must be new each time: fragments of a live page, and forms with an id of their own."""
    response["Cache-Control"] = "no-store"
    return response
