"""The staff's pages of judges: configure one, try it on stored rounds, see what endpoints cost."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from arena.queries.judges.office import configure_judge, judge_office, panel_spaces, staff_judge
from arena.queries.judges.preview import MAX_ROUNDS, JudgePreview, preview_judge
from frontend.judge_fields import config_form
from frontend.pages.edge import SignedInRequest, not_cached, owner_page
from judges.call import KINDS

DEFAULT_ROUNDS = 3


@owner_page()
def office(request: SignedInRequest) -> HttpResponse:
    """All judges and endpoints."""
    context = {"office": judge_office(request.user.pk)}
    return not_cached(render(request, "judges/staff/office.html", context))


@owner_page("GET", "HEAD", "POST")
def configure(request: SignedInRequest, slug: str) -> HttpResponse:
    """A judge's configuration: shown, tried on stored rounds, or saved as a new version."""
    judge = staff_judge(request.user.pk, slug)
    asked = request.POST.get("kind") or request.GET.get("kind") or judge.kind
    kind = asked if asked in KINDS else judge.kind
    stored = judge.config if kind == judge.kind else None
    form = config_form(kind, stored, request.POST if request.method == "POST" else None)
    tried: JudgePreview | None = None
    if request.method == "POST" and form.is_valid():
        if request.POST.get("action") == "save":
            number = configure_judge(request.user.pk, slug=slug, kind=kind, config=form.config)
            messages.success(request, f"{judge.name} is configured: version {number}.")
            return redirect("staff_judge", slug=slug)
        tried = preview_judge(
            request.user.pk,
            kind=kind,
            config=form.config,
            space_slug=request.POST.get("space", ""),
            rounds=_rounds(request),
        )
    context = {
        "judge": judge,
        "kind": kind,
        "kinds": sorted(KINDS),
        "form": form,
        "spaces": panel_spaces(request.user.pk),
        "space": request.POST.get("space", ""),
        "rounds": _rounds(request),
        "most_rounds": MAX_ROUNDS,
        "preview": tried,
    }
    return not_cached(render(request, "judges/staff/configure.html", context))


def _rounds(request: HttpRequest) -> int:
    asked = request.POST.get("rounds", "")
    number = int(asked) if asked.isdecimal() and len(asked) < 4 else DEFAULT_ROUNDS
    return min(max(number, 1), MAX_ROUNDS)
