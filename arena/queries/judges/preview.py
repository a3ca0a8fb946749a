"""A judge tried on rounds that were judged before. Nothing is recorded but what its endpoints cost."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from time import monotonic
from typing import Any

from django.db import connections

from agents.errors import NotAvailable
from arena.access import require_staff
from arena.environments.base import EnvironmentFault
from arena.matches.judging import transcript_of
from arena.matches.play import state_of
from arena.models import Round
from arena.panels.tools import build_tools
from arena.panels.voting import PanelJudge, judge_transcript
from arena.states import RoundStatus
from judges.call import KINDS
from judges.kinds.config import read_config
from judges.panel import preference
from judges.transcript import Ballot, Transcript

MAX_ROUNDS = 10
PREVIEW_SECONDS = 100.0  # for all rounds together: somebody waits for the page
EXCERPT_CHARACTERS = 160


@dataclass(frozen=True)
class PreviewedSeat:
    """An answer with what the judge makes of it, beside the panel; None: it abstained."""

    seat: int
    excerpt: str
    score: float | None
    panel_score: float | None
    reason: str


@dataclass(frozen=True)
class PreviewedRound:
    """A stored round as the judge sees it."""

    match_id: int
    number: int
    seats: tuple[PreviewedSeat, ...]
    error: str
    seconds: float
    prompt_tokens: int
    completion_tokens: int
    cost_micros: int


@dataclass(frozen=True)
class JudgePreview:
    """All rounds, and in how many pairs of answers the judge prefers the panel's."""

    rounds: tuple[PreviewedRound, ...]
    agreeing_pairs: int
    decided_pairs: int  # in which both prefer one

    @property
    def tokens(self) -> int:
        return sum(one.prompt_tokens + one.completion_tokens for one in self.rounds)

    @property
    def cost(self) -> float:
        """In the currency of the endpoints' prices."""
        return sum(one.cost_micros for one in self.rounds) / 1_000_000

    @property
    def cost_of_100_rounds(self) -> float:
        return 100 * self.cost / max(1, len(self.rounds))

    @property
    def seconds_a_round(self) -> float:
        return sum(one.seconds for one in self.rounds) / max(1, len(self.rounds))


def preview_judge(
    staff_id: int, *, kind: str, config: Mapping[str, Any], space_slug: str, rounds: int
) -> JudgePreview:
    """Try a kind and configuration on the Space's newest decided rounds, at most MAX_ROUNDS.

    Raises NotAvailable, BadConfig.
    """
    require_staff(staff_id)
    if kind not in KINDS:
        raise NotAvailable("There is no such kind of judge.")
    read_config(KINDS[kind].config_class, config)
    rows = list(
        Round.objects.filter(
            match__space__slug=space_slug, status=RoundStatus.DECIDED, verdict__isnull=False
        )
        .select_related("match", "verdict")
        .order_by("-id")[: min(rounds, MAX_ROUNDS)]
    )
    judge = PanelJudge(judge_id=0, slug="preview", kind=kind, config=config, weight=1.0)
    found = []
    for row in rows:
        try:
            found.append((row, transcript_of(row, state_of(row.match).seating, [judge])))
        except EnvironmentFault:
            continue  # a package that is gone: its rounds cannot be judged again
    connections.close_all()  # back to the pool: judges may take long
    transcripts = [transcript for _, transcript in found]
    votes = asyncio.run(_votes(judge, transcripts))
    shown = tuple(
        _previewed(row, transcript, ballot, seconds)
        for (row, transcript), (ballot, seconds) in zip(found, votes, strict=True)
    )
    both = [
        pair
        for (row, _), (ballot, _) in zip(found, votes, strict=True)
        for pair in _preferences(ballot, _scores(row))
    ]
    return JudgePreview(shown, sum(own == panel for own, panel in both), len(both))


async def _votes(
    judge: PanelJudge, transcripts: Sequence[Transcript]
) -> list[tuple[Ballot, float]]:
    tools = build_tools()
    ends_at = monotonic() + PREVIEW_SECONDS

    async def vote(transcript: Transcript) -> tuple[Ballot, float]:
        started = monotonic()
        try:
            async with asyncio.timeout(max(0.0, ends_at - started)):
                ((_, ballot, seconds),), _ = await judge_transcript([judge], transcript, tools)
        except TimeoutError:
            late = f"was not done within the {PREVIEW_SECONDS:.0f} seconds of a preview"
            ballot = Ballot(scores={}, reasons={}, checks={}, error=late)
            return ballot, monotonic() - started
        return ballot, seconds

    # One after the other, as the judge's own time says what a round costs in seconds.
    return [await vote(transcript) for transcript in transcripts]


def _previewed(
    row: Round, transcript: Transcript, ballot: Ballot, seconds: float
) -> PreviewedRound:
    panel = _scores(row)
    return PreviewedRound(
        match_id=row.match_id,
        number=row.number,
        seats=tuple(
            PreviewedSeat(
                answer.seat,
                answer.text[:EXCERPT_CHARACTERS],
                ballot.scores.get(answer.seat),
                panel.get(answer.seat),
                ballot.reasons.get(answer.seat, ""),
            )
            for answer in transcript.answers
        ),
        error=ballot.error,
        seconds=seconds,
        prompt_tokens=ballot.usage.prompt_tokens,
        completion_tokens=ballot.usage.completion_tokens,
        cost_micros=ballot.usage.cost_micros,
    )


def _scores(row: Round) -> dict[int, float]:
    return {int(seat): float(score) for seat, score in row.verdict.scores.items()}


def _preferences(ballot: Ballot, panel: Mapping[int, float]) -> list[tuple[int, int]]:
    """What the judge and the panel say of each pair on which both prefer one."""
    both = (
        (
            preference(ballot.scores, ballot.comparisons, first, second),
            preference(panel, None, first, second),
        )
        for first, second in combinations(sorted(set(ballot.scores) & set(panel)), 2)
    )
    return [(own, panels) for own, panels in both if own and panels]
