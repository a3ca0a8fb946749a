"""Writes the rows of a round's votes and verdict, inside the transaction that decides the round."""

from collections.abc import Mapping, Sequence
from typing import Any

from arena.models import Round, Verdict, Vote
from arena.panels.voting import PanelJudge
from judges.panel import PanelVerdict
from judges.transcript import Ballot


def store_votes(row: Round, votes: Sequence[tuple[PanelJudge, Ballot, float]]) -> None:
    """One row for each (judge, ballot, seconds)."""
    for judge, ballot, seconds in votes:
        Vote.objects.create(
            round=row,
            checks={
                str(seat): [
                    {"name": each.name, "passed": each.passed, "detail": each.detail}
                    for each in checks
                ]
                for seat, checks in ballot.checks.items()
            },
            **ballot_fields(judge, ballot, seconds),
        )


def ballot_fields(judge: PanelJudge, ballot: Ballot, seconds: float) -> dict[str, Any]:
    """The columns of a CastBallot, and who cast it."""
    return {
        "judge_id": judge.judge_id,
        "version_id": judge.version_id,
        "weight": judge.weight,
        "scores": keyed(ballot.scores),
        "reasons": {str(seat): reason for seat, reason in ballot.reasons.items()},
        "comparisons": None
        if ballot.comparisons is None
        else [[*pair, preference] for pair, preference in ballot.comparisons.items()],
        "steps": None
        if ballot.steps is None
        else {
            str(seat): [[each.begin, each.end, each.score, each.reason] for each in steps]
            for seat, steps in ballot.steps.items()
        },
        "error": ballot.error[:300],
        "seconds": round(seconds, 3),
        "prompt_digest": ballot.usage.prompt_digest,
        "prompt_tokens": ballot.usage.prompt_tokens,
        "completion_tokens": ballot.usage.completion_tokens,
        "cost_micros": ballot.usage.cost_micros,
    }


def store_verdict(row: Round, verdict: PanelVerdict) -> None:
    Verdict.objects.create(
        round=row,
        scores=keyed(verdict.scores),
        ranking=[list(group) for group in verdict.ranking],
        agreement=verdict.agreement,
        alpha=verdict.alpha,
        is_split=verdict.is_split,
    )


def keyed(scores: Mapping[int, float]) -> dict[str, float]:
    """By seat as text, rounded as in the events, so that pages show exactly what was decided."""
    return {str(seat): round(score, 6) + 0.0 for seat, score in scores.items()}
