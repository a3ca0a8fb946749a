"""Submitting an attack on a judge."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from agents.errors import NotAvailable, Refused
from arena.credits.amounts import in_credits
from arena.queries.attacks import attacks_on_judge, bounty_terms
from arena.review.bounty import submit_attack
from frontend.forms import BountyForm
from frontend.pages.edge import SignedInRequest, not_cached, owner_page


@owner_page("GET", "HEAD", "POST")
def bounty(request: SignedInRequest, judge: str) -> HttpResponse:
    terms = bounty_terms(judge, viewer=request.user.pk)
    form = BountyForm.fresh()
    if request.method == "POST":
        form = BountyForm(request.POST)
        if form.is_valid():
            try:
                submitted = submit_attack(
                    request.user.pk,
                    judge_slug=judge,
                    template=form.cleaned_data["template"],
                    form_id=form.cleaned_data["form_id"],
                )
            except NotAvailable:
                raise
            except Refused as error:
                form.add_error("template", str(error))
            else:
                messages.success(
                    request,
                    "Your attack is being tried. Its fee of "
                    f"{in_credits(submitted.fee_credits)} is held.",
                )
                return redirect("judge_bounty", judge=judge)
    context = {"terms": terms, "form": form, "attacks": attacks_on_judge(judge)}
    status = 422 if form.errors else 200
    return not_cached(render(request, "judges/bounty.html", context, status=status))
