"""The front door, the explanation, and the theme switch."""

from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme

from arena.queries import leaderboard, live_matches, recent_matches, space_cards
from frontend.pages.edge import public_page

THEMES = ("system", "light", "dark")
_YEAR_SECONDS = 365 * 24 * 3600


@public_page()
def home(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return redirect("agents")
    live = live_matches(limit=3)
    return render(
        request,
        "home/home.html",
        {
            "live": live,
            "recent": recent_matches(limit=3) if not live else (),
            "standings": leaderboard(limit=8),
            "spaces": space_cards(),
        },
    )


@public_page()
def how_it_works(request: HttpRequest) -> HttpResponse:
    return render(request, "home/how_it_works.html", {"spaces": space_cards()})


@public_page("POST")
def choose_theme(request: HttpRequest) -> HttpResponse:
    """Works without script; the script only saves the reload."""
    chosen = request.POST.get("theme", "")
    back = urlsplit(request.headers.get("Referer", "")).path or "/"
    if not url_has_allowed_host_and_scheme(back, allowed_hosts=None):
        back = "/"
    response = redirect(back)
    if chosen in THEMES:
        response.set_cookie("theme", chosen, max_age=_YEAR_SECONDS, samesite="Lax")
    return response
