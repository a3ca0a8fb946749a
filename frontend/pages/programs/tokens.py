"""For programs that act for a user: their tokens, and what the API offers."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from agents.api_tokens import create_token, revoke_token, tokens_of
from agents.errors import Refused
from frontend.api.api import reference
from frontend.forms import TokenForm
from frontend.pages.edge import SignedInRequest, not_cached, owner_page, public_page, refuse


@owner_page("GET", "HEAD", "POST")
def tokens(request: SignedInRequest) -> HttpResponse:
    """The list and the form. A new token is shown in the answer to the form, and never again."""
    form, made = TokenForm(request.POST or None), ""
    if form.is_valid():
        try:
            made = create_token(
                request.user.pk,
                name=form.cleaned_data["name"],
                scopes=form.scopes(),
                days=form.cleaned_data["days"] or None,
            )
        except Refused as error:
            form.add_error(None, str(error))
        else:
            form = TokenForm()
    context = {
        "form": form,
        "made": made,
        "tokens": tokens_of(request.user.pk),
        "address": request.build_absolute_uri(reverse("api:api-root")),
    }
    status = 422 if form.errors else 200
    return not_cached(render(request, "programs/tokens.html", context, status=status))


@owner_page("POST")
def revoke(request: SignedInRequest, token_id: int) -> HttpResponse:
    try:
        revoke_token(request.user.pk, token_id=token_id)
    except Refused as error:
        refuse(request, error)
    else:
        messages.success(
            request, "The token is revoked. Programs that use it are refused from now on."
        )
    return redirect("api_tokens")


@public_page()
def api_reference(request: HttpRequest) -> HttpResponse:
    context: dict[str, Any] = {
        "groups": reference(),
        "site": request.build_absolute_uri("/").rstrip("/"),
        "root": reverse("api:api-root"),
    }
    return render(request, "programs/reference.html", context)
