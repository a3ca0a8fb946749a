"""Settled matches whose rounds can be appealed, and panels that say what a test wants."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from arena.matches import play
from arena.models import Appeal, Match, Space
from arena.panels.voting import PanelJudge
from arena.review import hearing
from arena.review.appealing import appeal
from arena.tests.builders import make_match, make_space, play_round
from judges.models import Judge, JudgeKind
from judges.panel import combine
from judges.transcript import Ballot


def make_judge(slug: str, kind: JudgeKind = JudgeKind.PAIRWISE) -> Judge:
    judge, _ = Judge.objects.get_or_create(
        slug=slug, defaults={"name": slug.capitalize(), "kind": kind}
    )
    return judge


def judged_space(*judges: str, **changes: Any) -> Space:
    slugs = [make_judge(slug).slug for slug in judges or ("first", "second")]
    return make_space(panel=[{"judge": slug, "weight": 1.0} for slug in slugs], **changes)


def judged_match(space: Space | None = None, *, judge: str = "first") -> Match:
    """Settled; the first seat won every round by that judge's votes."""
    match = make_match(space or judged_space())
    play.start_match(match.pk)
    for number in range(1, match.space.round_count + 1):
        scores = {seat: 0.9 - 0.2 * seat for seat in range(match.space.seat_count)}
        play_round(match, number, scores=scores, judge=judge)
    play.settle_match(match.pk)
    match.refresh_from_db()
    return match


def owner_of(match: Match, seat: int = 1) -> tuple[int, int]:
    """(owner's id, agent's id) of a seat."""
    agent = match.seats.select_related("agent").get(index=seat).agent
    return agent.owner_id, agent.pk


def ask(match: Match, *, seat: int = 1, number: int = 1) -> Appeal:
    user_id, agent_id = owner_of(match, seat)
    return appeal(user_id, agent_id=agent_id, match_id=match.pk, number=number)


def panel_says(
    monkeypatch: pytest.MonkeyPatch, scores: Mapping[int, float] | None, **more: Any
) -> list[Sequence[PanelJudge]]:
    """Let every judge of a hearing give these scores (None: abstain); the panels that were asked.

    `more` are further fields of each ballot.
    """
    asked: list[Sequence[PanelJudge]] = []

    async def judge_transcript(panel: Sequence[PanelJudge], *_: Any) -> Any:
        asked.append(panel)
        reasons = {seat: f"Said of {seat}." for seat in scores or {}}
        ballot = Ballot(scores or {}, reasons, {}, error="" if scores else "no endpoint", **more)
        votes = [(judge, ballot, 0.1) for judge in panel]
        return votes, combine([(judge.weight, ballot) for judge in panel])

    monkeypatch.setattr(hearing, "judge_transcript", judge_transcript)
    return asked


class Killed(BaseException):
    """The process dies here."""


def killed(*_: Any, **__: Any) -> Any:
    raise Killed
