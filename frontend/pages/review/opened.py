"""Which matches a browser has opened: a signed cookie, so that who only looks needs no session."""

from django.core.signing import BadSignature
from django.http import HttpRequest, HttpResponse

COOKIE = "opened"
MAX_MATCHES = 150  # the newest; a cookie has to stay small
KEEP_SECONDS = 90 * 24 * 3600


def opened_matches(request: HttpRequest) -> list[int]:
    """Ids of the matches whose pages the browser has opened, the newest first."""
    try:
        stored = request.get_signed_cookie(COOKIE, default="")
    except BadSignature:
        return []
    return [int(each) for each in str(stored).split(".") if each.isdecimal()]


def note_opened(request: HttpRequest, response: HttpResponse, match_id: int) -> HttpResponse:
    """The response, which tells the browser that it has seen the match's names."""
    before = opened_matches(request)
    if match_id in before:
        return response
    newest = [match_id, *before][:MAX_MATCHES]
    response.set_signed_cookie(
        COOKIE,
        ".".join(map(str, newest)),
        max_age=KEEP_SECONDS,
        httponly=True,
        samesite="Lax",
        secure=request.is_secure(),
    )
    return response
