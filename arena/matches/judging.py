"""Puts a finished round before its Space's panel and records the verdict."""

import asyncio
import contextlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog
from django.db import DatabaseError, connections
from django.db.models import F, QuerySet
from django.utils import timezone

from agents.inference.patience import beside
from arena import leases
from arena.environments import ENVIRONMENTS
from arena.environments.base import EnvironmentFault, Task
from arena.matches import play
from arena.matches.events import MatchSeated, PanelDrawn, decode
from arena.matches.match import IllegalMove
from arena.matches.novelty import asks_for_new, with_novelty
from arena.matches.panel_draws import drawn_panel, sealed_answers
from arena.matches.proposing import draw_of
from arena.models import Completion, MatchEvent, Round
from arena.panels.tools import build_tools
from arena.panels.voting import (
    PanelJudge,
    SaidInEpisode,
    episode_transcript,
    judge_transcript,
    make_transcript,
    panel_of,
)
from arena.states import MatchStatus, RoundStatus
from judges.panel import PanelVerdict, tied_below
from judges.transcript import Ballot, Transcript

LEASE_RENEWAL = 0.25  # of the time after which another worker takes over
JUDGE_ATTEMPTS = 5  # judgings that may be interrupted before the round is void

log = structlog.get_logger(__name__)


def judge_round(round_id: int) -> None:
    """Judge once; a second call during or after the first does nothing."""
    if not _claim(round_id):
        return
    row = Round.objects.select_related("match").get(id=round_id)
    try:
        judged = _judged(row) if row.judge_attempts <= JUDGE_ATTEMPTS else Judging()
        play.decide_round(
            row.match_id,
            number=row.number,
            votes=judged.votes,
            verdict=judged.verdict,
            drawn=judged.drawn,
        )
        if play.state_of(row.match).rounds_are_over:
            play.settle_match(row.match_id)
    except EnvironmentFault as fault:
        log.error("environment_failed", round_id=round_id, fault=str(fault))
        with contextlib.suppress(IllegalMove):
            play.cancel_match(row.match_id, reason=str(fault))
    except IllegalMove as error:
        # The match was cancelled meanwhile, or another worker got here first.
        log.info("verdict_came_late", round_id=round_id, reason=str(error))


@dataclass(frozen=True)
class Judging:
    """What came of a judging: each vote with its seconds, and nothing if it was given up."""

    votes: Sequence[tuple[PanelJudge, Ballot, float]] = ()
    verdict: PanelVerdict | None = None
    drawn: PanelDrawn | None = None  # if not all of the panel judged


def _judged(row: Round) -> Judging:
    seating = play.state_of(row.match).seating
    panel = panel_of(seating.panel, environment=seating.environment)
    drawn = _drawn(row, {judge.slug for judge in panel}) if seating.panel_size else None
    if drawn and drawn.judges:
        panel = [judge for judge in panel if judge.slug in drawn.judges]
    transcript = transcript_of(row, seating, panel)
    connections.close_all()  # back to the pool: judges may take two minutes
    judging = judge_transcript(panel, transcript, build_tools())
    held = Round.objects.filter(id=row.pk)
    leased = keep_lease(held, field="judge_lease_expires_at")
    votes, verdict = asyncio.run(beside(leased, judging))
    if verdict is not None:
        verdict = tied_below(verdict, seating.least_agreement)
    return Judging(votes, verdict, drawn)


def _drawn(row: Round, may_vote: Collection[str]) -> PanelDrawn:
    """Who judges the round: the same at every attempt, as long as the same ones may vote."""
    events = MatchEvent.objects.filter(
        match_id=row.match_id, kind="completion_recorded", payload__round=row.number
    )
    said = [decode(event.kind, event.payload) for event in events]
    answers = sealed_answers(said, row.number)
    return drawn_panel(draw_of(row.match_id), row.number, answers, may_vote=may_vote)


def transcript_of(row: Round, seating: MatchSeated, panel: Sequence[PanelJudge]) -> Transcript:
    """The round as these judges see it. Raises EnvironmentFault."""
    task = Task.from_json(row.task)
    said = list(
        Completion.objects.filter(round=row)
        .order_by("id")
        .values_list("seat__index", "text", "problem")
    )
    if not row.is_episode:
        texts = {seat: text for seat, text, _ in said}
        transcript = make_transcript(ENVIRONMENTS[seating.environment], task, texts, panel=panel)
        return with_novelty(row, transcript) if asks_for_new(panel) else transcript
    ended = MatchEvent.objects.get(
        match_id=row.match_id, kind="episode_ended", payload__round=row.number
    )
    payoffs = {int(seat): value for seat, value in ended.payload["payoffs"].items()}
    tries = [SaidInEpisode(*one) for one in said]
    seats = [player.seat for player in seating.players]
    return episode_transcript(_as_seen(row, task), tries, payoffs, seats=seats)


def _as_seen(row: Round, task: Task) -> Task:
    """The task in the words that spectators read at the end, such as a debate's motion, if any.

    The prompt of an opening is what its first seat was told: it names that seat's side.
    """
    last = row.completions.order_by("-id").values_list("view", flat=True).first() or {}
    return replace(task, prompt=last["text"]) if last.get("kind") == "text" else task


async def keep_lease(row: QuerySet[Any], *, field: str) -> None:
    """Hold the row while its judges take their time; until it is cancelled."""
    while True:
        await asyncio.sleep(leases.takeover(LEASE_RENEWAL).total_seconds())
        await asyncio.to_thread(_renew, row, field)


def _renew(row: QuerySet[Any], field: str) -> None:
    try:
        row.update(**{field: timezone.now() + leases.takeover()})
    except DatabaseError as error:
        # The judges need no database; the next renewal may come in time.
        log.warning("judge_lease_not_renewed", row=str(row.model), error=type(error).__name__)
    finally:
        connections.close_all()  # of this thread


def _claim(round_id: int) -> bool:
    # Nobody owns it: a verdict that comes too late is refused by the match's state.
    return bool(
        Round.objects.filter(
            leases.expired(field="judge_lease_expires_at"),
            id=round_id,
            status=RoundStatus.JUDGING,
            match__status=MatchStatus.RUNNING,
        ).update(
            judge_lease_expires_at=timezone.now() + leases.takeover(),
            judge_attempts=F("judge_attempts") + 1,
        )
    )
