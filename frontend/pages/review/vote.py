"""Blind votes: two answers without names, then who wrote them and what the panel said."""

from random import SystemRandom

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from agents.errors import Refused
from arena.queries import blind_result
from arena.review.audience import cast_blind_vote
from arena.review.ballots import Voter, next_pair, unseal
from arena.states import BlindChoice
from frontend.pages.edge import not_cached, public_page, refuse, viewer_id
from frontend.pages.review.opened import note_opened, opened_matches


@public_page("GET", "HEAD", "POST")
def vote(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        return _cast(request)
    voter = Voter(viewer_id(request), _address(request))
    pair = next_pair(voter, opened=opened_matches(request), rng=SystemRandom())
    return not_cached(render(request, "review/vote.html", {"pair": pair}))


def _cast(request: HttpRequest) -> HttpResponse:
    """Store the vote and uncover the answers; the same form sent again shows the same."""
    choice = request.POST.get("choice", "")
    if choice not in set(BlindChoice):
        return redirect("vote")
    try:
        ballot = unseal(request.POST.get("ballot", ""))
        # The match is found by the vote only: the page does not know it.
        cast = cast_blind_vote(
            viewer_id(request),
            address=_address(request),
            ballot=ballot,
            choice=BlindChoice(choice),
            opened=opened_matches(request),
        )
        result = blind_result(cast.pk)
    except Refused as error:
        refuse(request, error)
        return redirect("vote")
    response = not_cached(render(request, "review/result.html", {"result": result}))
    return note_opened(request, response, result.match_id)


def _address(request: HttpRequest) -> str:
    """The visitor's address; behind a trusted proxy, the address that the proxy reports."""
    return str(request.META.get("REMOTE_ADDR", ""))
