"""Matches: the list, the live page, and a round for one of its tabs."""

from collections.abc import Sequence
from typing import cast

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.cache import get_conditional_response

from agents.errors import NotAvailable
from arena.queries import (
    MatchCard,
    MatchSnapshot,
    audience_of_match,
    live_matches,
    match_appeals,
    match_credits,
    match_transcript,
    newest_matches,
    recent_matches,
    space_names,
)
from frontend.drawings import for_viewer, round_fragment, summary_fragment
from frontend.pages.edge import MAX_ID_DIGITS, not_cached, public_page, viewer_id
from frontend.pages.review.opened import note_opened
from training.data.harvest import harvest_problem

PAGE_ROWS = 20
LIVE_ROWS = 12


@public_page()
def match_list(request: HttpRequest) -> HttpResponse:
    spaces = space_names()
    chosen = request.GET.get("space", "")
    space_slug = chosen if chosen in spaces else None
    before = request.GET.get("before", "")
    before_id = int(before) if before.isdecimal() and len(before) < MAX_ID_DIGITS else None
    live: Sequence[MatchCard] = ()
    if before_id is None:
        live, recent = newest_matches(space_slug=space_slug, live=LIVE_ROWS, recent=PAGE_ROWS + 1)
    else:
        recent = recent_matches(space_slug=space_slug, limit=PAGE_ROWS + 1, before_id=before_id)
    shown = recent[:PAGE_ROWS]
    context = {
        "spaces": spaces,
        "chosen": space_slug or "",
        "live": live,
        "recent": shown,
        "next_before": shown[-1].match_id if len(recent) > PAGE_ROWS else None,
        "is_first_page": before_id is None,
    }
    return render(request, "matches/list.html", context)


@public_page()
def live_list(request: HttpRequest) -> HttpResponse:
    """The fragment that keeps the list of live matches fresh."""
    wanted = request.GET.get("space", "")
    chosen = wanted if wanted in space_names() else ""
    live = live_matches(space_slug=chosen or None, limit=LIVE_ROWS)
    context = {"live": live, "chosen": chosen}
    return not_cached(render(request, "matches/list.html#live", context))


@public_page()
def match_detail(request: HttpRequest, match_id: int) -> HttpResponse:
    summary = summary_fragment(match_id)
    snapshot = summary.snapshot
    number = _wanted_round(request, snapshot)
    username = request.user.get_username()
    context = {
        "match": snapshot,
        "summary": for_viewer(summary.html, username=username, number=number),
        "round": round_fragment(match_id, number).html,
        "audience": audience_of_match(match_id),
        "appeals": match_appeals(match_id, viewer=viewer_id(request)),
        "harvest_problem": harvest_problem(match_id) if snapshot.is_settled else "",
    }
    response = not_cached(render(request, "matches/detail.html", context))
    return note_opened(request, response, match_id)


@public_page()
def round_detail(request: HttpRequest, match_id: int, number: int) -> HttpResponse:
    """One round, for a tab of the page; it is sent only if the browser has another one."""
    if not number:
        raise NotAvailable("There is no such round.")
    fragment = round_fragment(match_id, number)
    response = HttpResponse(fragment.html)
    response["ETag"] = fragment.etag
    response["Cache-Control"] = "no-cache"
    found = get_conditional_response(request, etag=fragment.etag, response=response)
    return cast(HttpResponse, found)


@public_page()
def credits(request: HttpRequest, match_id: int) -> HttpResponse:
    """Every movement of the match in the ledger; each of the viewer's leads to the statement."""
    context = {"match": match_credits(match_id, viewer=viewer_id(request))}
    return not_cached(render(request, "wallet/match.html", context))


@public_page()
def match_events(request: HttpRequest, match_id: int) -> HttpResponse:
    """The match's transcript, from which `manage.py recompute_tasks` draws its tasks again."""
    transcript = {"match": match_id, "events": match_transcript(match_id)}
    name = f'attachment; filename="match-{match_id}.json"'
    return not_cached(JsonResponse(transcript, headers={"Content-Disposition": name}))


def _wanted_round(request: HttpRequest, snapshot: MatchSnapshot) -> int:
    """The round asked for, else the newest while live and the first afterwards."""
    asked = request.GET.get("round", "")
    if asked.isdecimal() and len(asked) < 4 and 1 <= int(asked) <= snapshot.latest_round:
        return int(asked)
    if not snapshot.latest_round:
        return 0
    return snapshot.latest_round if snapshot.is_live else 1
