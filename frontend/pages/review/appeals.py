"""Asking another panel about a round."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from agents.errors import NotAvailable, Refused
from arena.credits.amounts import in_credits
from arena.review.appealing import appeal
from frontend.pages.edge import MAX_ID_DIGITS, SignedInRequest, owner_page, refuse


@owner_page("POST")
def appeal_round(request: SignedInRequest, match_id: int, number: int) -> HttpResponse:
    agent = request.POST.get("agent", "")
    if not agent.isdecimal() or len(agent) >= MAX_ID_DIGITS:
        raise NotAvailable("There is no such agent.")
    try:
        asked = appeal(request.user.pk, agent_id=int(agent), match_id=match_id, number=number)
    except Refused as error:
        refuse(request, error)
    else:
        messages.success(
            request,
            f"Another panel looks at round {number}. The fee of {in_credits(asked.fee_credits)} is "
            "held; it comes back if the order changes.",
        )
    return redirect(f"{reverse('match', args=[match_id])}?round={number}#appeals")
