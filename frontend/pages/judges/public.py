"""Judges: the list, and each one's page with its figures and the rounds that it judged."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from arena.queries import appeals_of_judge, audience_of_judge
from arena.queries.attacks import attacks_on_judge
from arena.queries.judges.rounds import rounds_judged
from arena.queries.judges.views import judge_summaries, judge_view
from frontend.pages.edge import MAX_ID_DIGITS, public_page

PAGE_ROWS = 10


@public_page()
def judge_list(request: HttpRequest) -> HttpResponse:
    context = {"judges": judge_summaries(), "floor": settings.ENV.judge_floor}
    return render(request, "judges/list.html", context)


@public_page()
def judge_detail(request: HttpRequest, judge: str) -> HttpResponse:
    view = judge_view(judge)
    before = request.GET.get("before", "")
    before_id = int(before) if before.isdecimal() and len(before) < MAX_ID_DIGITS else None
    rounds = rounds_judged(judge, before_id=before_id, limit=PAGE_ROWS + 1)
    shown = rounds[:PAGE_ROWS]
    context = {
        "view": view,
        "judge": view.summary,
        "attacks": attacks_on_judge(judge),
        "floor": settings.ENV.judge_floor,
        "audience": audience_of_judge(judge),
        "appeals": appeals_of_judge(judge),
        "rounds": shown,
        "next_before": shown[-1].vote_id if len(rounds) > PAGE_ROWS else None,
        "is_first_page": before_id is None,
    }
    return render(request, "judges/detail.html", context)
