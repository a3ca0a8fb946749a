"""Asks judges their gold, a few items at a time, and lets their weight and quarantine follow.

A judge is asked as it is in a round: through the same call, with the same tools and prompts.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from time import monotonic
from typing import ParamSpec, TypeVar

import structlog
from django.conf import settings
from django.core.cache import cache
from django.db import connections
from django.utils import timezone

from arena.models import Space, SpaceStatus
from arena.panels.gold.making import make_gold, makes_gold
from arena.panels.tools import build_tools
from arena.panels.voting import PanelJudge, judge_transcript
from arena.spaces.judges.releasing import release_unjudged
from judges.calibration.heard import GoldOutcome
from judges.calibration.records import (
    NEVER_MEASURED,
    judge_digest,
    needs_more,
    recalibrate,
    record,
    transcript_of,
)
from judges.call import wants_reference
from judges.kinds.config import ARENA_BASE
from judges.models import GoldItem, GoldSource, Judge, JudgeKind
from judges.tools import Tools
from judges.transcript import Ballot

FIRST_ITEMS = 4  # asked in one sweep of a judge of whom too little is known
ASK_SECONDS = 90.0  # after which a sweep begins no other item
RETIRED_AFTER = timedelta(days=30)
AWAY_PAUSE = timedelta(hours=1)  # after an item that the judge's server did not answer
_TURN_SECONDS = 1_800  # a worker that died in the middle holds a judge up no longer than this

P = ParamSpec("P")
R = TypeVar("R")
log = structlog.get_logger(__name__)


def ask_due_gold(*, rng: Random) -> int:
    """Ask each judge what is due; returns how many items were asked."""
    release_unjudged()
    if not settings.ENV.gold_a_day:
        return 0
    stale = timezone.now() - RETIRED_AFTER
    GoldItem.objects.filter(retired_at=None, created_at__lt=stale).update(retired_at=timezone.now())
    until, count = monotonic() + ASK_SECONDS, 0
    judges = list(Judge.objects.filter(quarantined_at=None).exclude(kind__in=NEVER_MEASURED))
    rng.shuffle(judges)
    for judge in judges:
        # Two workers would only ask the same twice.
        turn = f"gold-of-judge:{judge.pk}"
        if not cache.add(turn, 1, timeout=_TURN_SECONDS):
            continue
        try:
            count += _ask_judge(judge, until=until, rng=rng)
        except Exception:
            log.exception("gold_failed", judge=judge.slug)  # the others are asked all the same
        finally:
            cache.delete(turn)
    return count


def _ask_judge(judge: Judge, *, until: float, rng: Random) -> int:
    environments = environments_of(judge)
    count = 0
    for _ in range(_due(judge) if environments else 0):
        item = _next_item(judge, environments, rng)
        if item is None or monotonic() > until:
            break
        count += 1
        if not _ask(judge, item, rng):
            break  # its server is away
    if count:
        recalibrate(judge.pk, floor=settings.ENV.judge_floor, own_base=_own_base(judge))
    return count


def _own_base(judge: Judge) -> str:
    """The base model of the arena that the judge reads with, if it does."""
    reads = judge.kind == JudgeKind.POEM or ARENA_BASE in judge.config.get("endpoints", ())
    return settings.ENV.base_model if reads else ""


def environments_of(judge: Judge) -> list[str]:
    """What the judge is asked about: what it judges, or what any Space plays if it sits nowhere."""
    spaces = Space.objects.filter(status=SpaceStatus.OPEN).order_by("id")
    played = [
        (space.environment, {str(chair["judge"]) for chair in space.panel}) for space in spaces
    ]
    own = [environment for environment, slugs in played if judge.slug in slugs]
    if not own and judge.kind != JudgeKind.POEM:  # its gates are those of one environment
        own = [environment for environment, _ in played]
    return [each for each in dict.fromkeys(own) if makes_gold(each)]


def _due(judge: Judge) -> int:
    """How many items the judge is to be asked now."""
    now = timezone.now()
    newest = judge.gold_answers.order_by("-created_at", "-id").first()
    if newest is None:
        return FIRST_ITEMS
    if newest.outcome == GoldOutcome.AWAY and now - newest.created_at < AWAY_PAUSE:
        return 0
    if needs_more(judge):
        return FIRST_ITEMS
    pause = timedelta(days=1) / settings.ENV.gold_a_day
    return int(now - newest.created_at >= pause)


def _next_item(judge: Judge, environments: Collection[str], rng: Random) -> GoldItem | None:
    """One that the judge has not answered yet; a new one if there is none."""
    answered = judge.gold_answers.filter(
        judge_digest=judge_digest(judge.kind, judge.config)
    ).exclude(outcome=GoldOutcome.AWAY)
    waiting = GoldItem.objects.filter(environment__in=environments, retired_at=None)
    kinds: Collection[str] | None = None
    if is_new_only := judge.kind == JudgeKind.LEARNED:
        # It may have learned from rounds and from attacks that were paid for: only new ones measure
        # it, and of those only the kinds on which it votes.
        kinds = judge.config.get("kinds", ())
        waiting = waiting.filter(source=GoldSource.CODE, kind__in=kinds)
    if wants_reference(judge.config):
        with_reference = waiting.filter(transcript__has_key="reference")
        waiting = with_reference.exclude(transcript__reference="")
    waiting = waiting.exclude(id__in=answered.values("item"))
    if ids := list(waiting.values_list("id", flat=True)[:500]):
        return GoldItem.objects.get(id=rng.choice(ids))
    environment = rng.choice(list(environments))
    return make_gold(environment, rng=rng, may_repeat=not is_new_only, kinds=kinds)


def _ask(judge: Judge, item: GoldItem, rng: Random) -> bool:
    """Put both orders to the judge; False if its server is away."""
    orders = [False, True]
    rng.shuffle(orders)
    connections.close_all()  # back to the pool: a judge may take minutes
    asked = asyncio.run(_put(judge, item, orders))
    digest = judge_digest(judge.kind, judge.config)
    for is_swapped, (ballot, seconds, outcome) in zip(orders, asked, strict=True):
        record(
            judge,
            item.pk,
            digest=digest,
            is_swapped=is_swapped,
            ballot=ballot,
            outcome=outcome,
            seconds=seconds,
        )
    return all(outcome != GoldOutcome.AWAY for _, _, outcome in asked)


async def _put(
    judge: Judge, item: GoldItem, orders: Collection[bool]
) -> list[tuple[Ballot, float, GoldOutcome]]:
    return list(await asyncio.gather(*(_put_once(judge, item, turned) for turned in orders)))


async def _put_once(
    judge: Judge, item: GoldItem, is_swapped: bool
) -> tuple[Ballot, float, GoldOutcome]:
    watch = _Watch()
    panelist = PanelJudge(
        judge_id=judge.pk, slug=judge.slug, kind=judge.kind, config=judge.config, weight=1.0
    )
    transcript = transcript_of(item.transcript, is_swapped=is_swapped)
    votes, _ = await judge_transcript([panelist], transcript, watch.over(build_tools()))
    ((_, ballot, seconds),) = votes
    if ballot.scores:
        return ballot, seconds, GoldOutcome.SAID
    return ballot, seconds, GoldOutcome.UNSAID if watch.was_served else GoldOutcome.AWAY


@dataclass
class _Watch:
    """Whether a judge's servers answered, so that an outage is not taken for its opinion."""

    replies: int = 0
    faults: int = 0

    @property
    def was_served(self) -> bool:
        return self.replies > 0 and not self.faults

    def over(self, tools: Tools) -> Tools:
        return replace(
            tools,
            complete=self._watched(tools.complete),
            logprob=self._watched(tools.logprob),
            relevance=self._watched(tools.relevance),
            learned=self._watched(tools.learned),
            exchange=self._watched(tools.exchange),
        )

    def _watched(self, call: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
        async def watched(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                reply = await call(*args, **kwargs)
            except BaseException:
                self.faults += 1  # also one that came too late
                raise
            self.replies += 1
            return reply

        return watched
