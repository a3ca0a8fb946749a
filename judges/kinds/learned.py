"""A judge that was trained here: an adapter and a scalar head over the arena's own base model.

It votes only on the kinds of tasks for which it was certified on answers as agents give them, and
abstains on all others. Its scores are of use only within a round: each is squashed by a logistic
curve. Why and how it is trained: docs/decisions/learned-judge.md
"""

from math import exp
from typing import ClassVar

from pydantic import Field

from judges.kinds.config import KindConfig
from judges.tools import CannotJudge, Tools
from judges.transcript import Ballot, Transcript


class LearnedConfig(KindConfig):
    """Written when a version is adopted: judges.learned.records."""

    LIMIT_SECONDS: ClassVar[float] = 90.0

    digest: str = Field(
        "",
        pattern=r"^([0-9a-f]{64})?$",
        title="Weights",
        description="SHA-256 of its adapter and head. Empty: no version has been adopted.",
    )
    kinds: tuple[str, ...] = Field(
        (),
        title="Certified kinds",
        description="Kinds of tasks on which it votes. It abstains on all others.",
    )

    def asks_base(self) -> bool:
        return bool(self.digest)  # its adapter and head stand on the arena's base


async def vote(settings: LearnedConfig, transcript: Transcript, tools: Tools) -> Ballot:
    if not settings.digest:
        raise CannotJudge("no version of this judge has been adopted")
    if transcript.kind not in settings.kinds:
        raise CannotJudge(f"it is not certified for tasks of the kind {transcript.kind!r}")
    seats = [answer.seat for answer in transcript.answers]
    texts = [answer.text for answer in transcript.answers]
    found = await tools.learned(settings.digest, transcript.prompt, texts)
    logits = dict(zip(seats, found, strict=True))
    places = {seat: 1 + sum(other > logit for other in found) for seat, logit in logits.items()}
    return Ballot(
        scores={seat: 1 / (1 + exp(-_clipped(logit))) for seat, logit in logits.items()},
        reasons={
            seat: f"Place {places[seat]} of {len(seats)} with a learned score of {logit:+.2f}."
            for seat, logit in logits.items()
        },
        checks={},
    )


def _clipped(logit: float) -> float:
    return max(-30.0, min(30.0, logit))
