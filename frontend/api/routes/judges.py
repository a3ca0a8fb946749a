"""Judges: their figures, the rounds that they judged, and attacks on them."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Router, Schema, Status

from agents.api_tokens import Scope
from arena.queries import Agreement, JudgeAppeals, appeals_of_judge, audience_of_judge
from arena.queries.attacks import AttacksOnJudge, BountyTerms, attacks_on_judge, bounty_terms
from arena.queries.judges.rounds import VotedRound, rounds_judged
from arena.queries.judges.views import JudgeSummary, JudgeView, judge_summaries, judge_view
from arena.review.bounty import submit_attack
from frontend.api.edge import answers, needs, user_id
from frontend.api.paging import Cursor, Limit, Page, id_of, page_of
from frontend.api.values import IdempotencyKey, NewAttack, Slug

router = Router()


class JudgeDetail(Schema):
    """A judge with everything that is known of it; `floor` is the least kappa that it may have."""

    judge: JudgeView
    floor: float
    attacks: AttacksOnJudge
    audience: Agreement
    appeals: JudgeAppeals


@router.get("", response=answers(list[JudgeSummary]), summary="All judges")
def all_judges(request: HttpRequest) -> Any:
    return list(judge_summaries())


@router.get("/{judge}", response=answers(JudgeDetail), summary="A judge")
def detail(request: HttpRequest, judge: Slug) -> Any:
    """Its versions, its calibration day by day, quarantines, attacks, appeals, and the audience."""
    return {
        "judge": judge_view(judge),
        "floor": settings.ENV.judge_floor,
        "attacks": attacks_on_judge(judge),
        "audience": audience_of_judge(judge),
        "appeals": appeals_of_judge(judge),
    }


@router.get(
    "/{judge}/rounds", response=answers(Page[VotedRound]), summary="The rounds that a judge judged"
)
def rounds(request: HttpRequest, judge: Slug, cursor: Cursor, limit: Limit) -> Any:
    before = id_of(cursor, noun="votes")
    judge_view(judge)
    rows = rounds_judged(judge, before_id=before, limit=limit + 1)
    return page_of(rows, limit, mark=lambda row: str(row.vote_id), noun="votes")


@router.get(
    "/{judge}/bounty",
    response=answers(BountyTerms),
    **needs(Scope.READ),
    summary="What an attack on a judge costs and wins, and those that you submitted",
)
def bounty(request: HttpRequest, judge: Slug) -> Any:
    return bounty_terms(judge, viewer=user_id(request))


@router.post(
    "/{judge}/bounty",
    response=answers(BountyTerms, status=201),
    **needs(Scope.PLAY),
    summary="Submit an attack on a judge",
)
def attack(
    request: HttpRequest, judge: Slug, new: NewAttack, idempotency_key: IdempotencyKey
) -> Any:
    """Holds the fee while the attack is tried; whoever fools the judge wins the prize."""
    submit_attack(
        user_id(request), judge_slug=judge, template=new.template, form_id=idempotency_key
    )
    return Status(201, bounty_terms(judge, viewer=user_id(request)))
