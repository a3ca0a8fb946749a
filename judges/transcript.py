"""What a judge is shown: one task and the seats' answers, as plain values. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

OUTCOME = "outcome"  # the check of an episode that says how the seat's payoff compares


@dataclass(frozen=True)
class Check:
    """One thing that was checked, with a sentence for spectators."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True)
class Answer:
    """What one seat said, and what the environment's code found in it."""

    seat: int
    text: str
    score: float | None = None  # [0, 1], by the environment's code; None: not scored
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True)
class Transcript:
    """A round ready for judging. All text in it is untrusted."""

    prompt: str
    kind: str
    data: Mapping[str, Any]
    answers: tuple[Answer, ...]
    reference: str = ""  # the environment's own answer, if a judge asked for it; no seat sees it


# (seat, higher seat) -> 1 if the first is better, -1 if the second is, 0 if they are equal
Comparisons = Mapping[tuple[int, int], int]


@dataclass(frozen=True)
class StepScore:
    """What a judge says of one step of an answer."""

    begin: int  # its place in the answer's text, in characters
    end: int
    score: float  # [0, 1]
    reason: str


@dataclass(frozen=True)
class Usage:
    """What one vote asked of a judge's model, also where nothing came of it."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_micros: int = 0  # millionths of the currency of the endpoints' prices
    # SHA-256 of all that the model was told, see judges.recording; empty: no model was asked
    prompt_digest: str = ""


@dataclass(frozen=True)
class Ballot:
    """One judge's vote. An abstention has an error and no scores: it never counts as a zero."""

    scores: Mapping[int, float]  # seat -> [0, 1], higher is better
    reasons: Mapping[int, str]  # seat -> sentence
    checks: Mapping[int, tuple[Check, ...]]
    error: str = ""
    # Of a judge that compares: what it said of each pair. It knows nothing of a pair that is missing.
    # None: it judges each answer by itself, so its scores compare any two.
    comparisons: Comparisons | None = None
    # What it said of each pair in each order, before two that disagree became a tie:
    # (seat shown first, seat shown second) -> 1 if it preferred the first, -1 the second, 0 neither.
    orders: Mapping[tuple[int, int], int] = field(default_factory=dict)
    # seat -> its steps in their order, of a judge that grades steps; None: it does not
    steps: Mapping[int, tuple[StepScore, ...]] | None = None
    usage: Usage = Usage()
