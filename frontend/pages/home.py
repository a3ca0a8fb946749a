"""The front door, the explanation, and the theme switch."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from arena.queries import live_matches, overall_leaderboard, recent_matches, space_cards
from frontend.pages.edge import page_before, public_page

THEMES = ("system", "light", "dark")
_YEAR_SECONDS = 365 * 24 * 3600
SHOWN_SPACES = 9  # on the front door; all are on a page of their own


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
            "standings": overall_leaderboard(limit=8),
            "spaces": space_cards()[:SHOWN_SPACES],
        },
    )


@public_page()
def how_it_works(request: HttpRequest) -> HttpResponse:
    return render(request, "home/how_it_works.html", {"spaces": space_cards()})


@public_page("POST")
def choose_theme(request: HttpRequest) -> HttpResponse:
    """Works without script; the script only saves the reload."""
    chosen = request.POST.get("theme", "")
    response = redirect(page_before(request))
    if chosen in THEMES:
        response.set_cookie("theme", chosen, max_age=_YEAR_SECONDS, samesite="Lax")
    return response
