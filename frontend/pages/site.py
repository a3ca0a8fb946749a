"""Pages for the staff; others don't find them."""

from django.http import HttpResponse
from django.shortcuts import render

from frontend.pages.edge import SignedInRequest, not_cached, owner_page
from training.retention.room import room_taken


@owner_page()
def room(request: SignedInRequest) -> HttpResponse:
    """What takes room, and what is deleted when."""
    return not_cached(render(request, "site/room.html", {"room": room_taken(request.user.pk)}))
