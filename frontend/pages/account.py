"""Deleting one's account; allauth has the other pages of an account."""

from allauth.core import ratelimit
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpResponse
from django.shortcuts import redirect, render

from agents.errors import Refused
from agents.leaving import leave
from frontend.forms import LeaveForm
from frontend.pages.edge import SignedInRequest, not_cached, owner_page
from training.runs.leaving import belongings


@owner_page("GET", "HEAD", "POST")
def delete(request: SignedInRequest) -> HttpResponse:
    form = LeaveForm(request.POST or None)
    if form.is_valid():
        try:
            if not ratelimit.consume(request, action="reauthenticate", user=request.user):
                raise Refused("Too many tries. Wait a minute, then try again.")
            leave(request.user.pk, password=form.cleaned_data["password"])
        except Refused as error:
            form.add_error("password", str(error))
        else:
            logout(request)
            messages.success(
                request,
                "Your account is closed. What you wrote is erased as soon as the last of your matches is over.",
            )
            return redirect("home")
    context = {"form": form, "mine": belongings(request.user.pk)}
    status = 422 if form.errors else 200
    return not_cached(render(request, "account/delete.html", context, status=status))
