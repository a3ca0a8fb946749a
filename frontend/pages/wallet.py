"""Credits: balance, sandbox top-up, statement."""

import uuid

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from agents.errors import Refused
from arena.credits.amounts import in_credits
from arena.credits.wallet import SANDBOX_BALANCE_MAX_CREDITS, TOP_UP_MAX_CREDITS, top_up_sandbox
from arena.queries import StatementMark, statement_page, wallet_balance
from frontend.forms import TopUpForm
from frontend.pages.edge import SignedInRequest, not_cached, owner_page


@owner_page("GET", "HEAD", "POST")
def wallet(request: SignedInRequest) -> HttpResponse:
    form = TopUpForm.fresh()
    if request.method == "POST":
        form = TopUpForm(request.POST)
        if form.is_valid():
            try:
                done = top_up_sandbox(
                    request.user.pk,
                    amount_credits=form.cleaned_data["amount"],
                    transfer_id=form.cleaned_data["transfer_id"],
                )
            except Refused as error:
                form.add_error("amount", str(error))
            else:
                messages.success(request, f"{in_credits(done.amount_credits)} added.")
                return redirect("wallet")
    before = StatementMark.read(request.GET.get("before", ""))
    line_id = _id(request.GET.get("line", ""))
    context = {
        "balance": wallet_balance(request.user.pk),
        "statement": statement_page(request.user.pk, before=before, line_id=line_id),
        "is_first_page": before is None and line_id is None,
        "form": form,
        "top_up_max": TOP_UP_MAX_CREDITS,
        "balance_max": SANDBOX_BALANCE_MAX_CREDITS,
    }
    status = 422 if form.errors else 200
    return not_cached(render(request, "wallet/wallet.html", context, status=status))


def _id(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
