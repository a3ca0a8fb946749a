"""Leaderboards over all Spaces, and two agents head to head."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from arena.queries import duel, overall_leaderboard, space_cards
from frontend.pages.edge import MAX_ID_DIGITS, public_page

BOARD_LINES = 50
DUEL_MATCHES = 20


@public_page()
def overall(request: HttpRequest) -> HttpResponse:
    """The leaderboard over all Spaces."""
    context = {"standings": overall_leaderboard(limit=BOARD_LINES), "spaces": space_cards()}
    return render(request, "leaderboard/all.html", context)


@public_page()
def head_to_head(request: HttpRequest, agent_id: int, other_id: int) -> HttpResponse:
    before = _id(request.GET.get("before", ""))
    found = duel(agent_id, other_id, limit=DUEL_MATCHES, before_id=before)
    context = {"duel": found, "is_first_page": before is None}
    return render(request, "leaderboard/duel.html", context)


@public_page()
def compare(request: HttpRequest) -> HttpResponse:
    """Where the form below a leaderboard leads."""
    one, other = _id(request.GET.get("one", "")), _id(request.GET.get("other", ""))
    if one is None or other is None or one == other:
        return redirect("leaderboard")
    return redirect("duel", agent_id=one, other_id=other)


def _id(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < MAX_ID_DIGITS else None
