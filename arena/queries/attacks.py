"""What everybody may read of attacks on a judge: the sample's figures, and bounties that were won."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from agents.errors import NotAvailable
from arena.models import AttackTrial, Bounty, BountyStatus
from arena.panels.attacks.sample import WITHIN
from arena.panels.attacks.trials import AttackOutcome
from arena.review.bounty import MAX_SUBMISSIONS_A_DAY, TRIES, problem_with
from judges.attacks.submitted import MAX_TEMPLATE_CHARACTERS, PLACEHOLDER
from judges.models import Judge

MAX_SHOWN = 20


@dataclass(frozen=True)
class AttackLine:
    """How often one attack was tried on a judge lately, and how often it won."""

    attack: str
    trials: int
    fooled: int


@dataclass(frozen=True)
class WonBounty:
    """An attack that a judge fell for."""

    template: str
    fooled: int
    tries: int
    prize_credits: int
    decided_at: datetime


@dataclass(frozen=True)
class AttacksOnJudge:
    """What is known of attacks on one judge."""

    slug: str
    trials: int
    fooled: int
    lines: tuple[AttackLine, ...]  # those that it fell for, the worst first
    won: tuple[WonBounty, ...]  # the newest first
    may_submit: bool
    within: timedelta


@dataclass(frozen=True)
class OwnBounty:
    """A viewer's own submission."""

    status: str
    template: str
    fooled: int
    tries: int
    created_at: datetime


@dataclass(frozen=True)
class BountyTerms:
    """The page on which an attack on a judge is submitted."""

    judge_slug: str
    judge_name: str
    fee_credits: int
    prize_credits: int
    tries: int
    placeholder: str
    max_characters: int
    submissions_a_day: int
    problem: str  # why nobody can submit now
    own: tuple[OwnBounty, ...]  # the viewer's, the newest first


def attacks_on_judge(slug: str) -> AttacksOnJudge:
    """The sample of the last WITHIN and the bounties that were won. Raises NotAvailable."""
    judge = _judge(slug)
    rows = AttackTrial.objects.filter(judge=judge, created_at__gt=timezone.now() - WITHIN)
    tried, fooled = Counter[str](), Counter[str]()
    for attack, outcome in rows.values_list("attack", "outcome"):
        tried[attack] += outcome != AttackOutcome.SILENT
        fooled[attack] += outcome == AttackOutcome.FOOLED
    lines = (AttackLine(name, tried[name], count) for name, count in fooled.most_common() if count)
    won = Bounty.objects.filter(judge=judge, status=BountyStatus.WON).order_by("-decided_at")[
        :MAX_SHOWN
    ]
    return AttacksOnJudge(
        slug=judge.slug,
        trials=tried.total(),
        fooled=fooled.total(),
        lines=tuple(lines),
        won=tuple(
            WonBounty(row.template, row.fooled, row.tries, row.prize_credits, row.decided_at)
            for row in won
            if row.decided_at is not None
        ),
        may_submit=not problem_with(judge),
        within=WITHIN,
    )


def bounty_terms(slug: str, *, viewer: int | None) -> BountyTerms:
    """What a submission costs and may win, with the viewer's own. Raises NotAvailable."""
    judge = _judge(slug)
    return BountyTerms(
        judge_slug=judge.slug,
        judge_name=judge.name,
        fee_credits=settings.ENV.bounty_fee,
        prize_credits=settings.ENV.bounty_prize,
        tries=TRIES,
        placeholder=PLACEHOLDER,
        max_characters=MAX_TEMPLATE_CHARACTERS,
        submissions_a_day=MAX_SUBMISSIONS_A_DAY,
        problem=problem_with(judge),
        own=() if viewer is None else _own(judge, viewer),
    )


def _own(judge: Judge, viewer: int) -> tuple[OwnBounty, ...]:
    rows = Bounty.objects.filter(judge=judge, user_id=viewer).order_by("-id")[:MAX_SHOWN]
    return tuple(
        OwnBounty(row.status, row.template, row.fooled, row.tries, row.created_at) for row in rows
    )


def _judge(slug: str) -> Judge:
    judge = Judge.objects.filter(slug=slug).first()
    if judge is None:
        raise NotAvailable("There is no such judge.")
    return judge
