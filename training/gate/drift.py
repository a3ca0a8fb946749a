"""Whether the server plays the trained adapter: log-probabilities of the same tokens. PURE.

The trainer writes the log-probabilities of some answers' tokens under the new adapter and under the
plain base, in its own precision; vLLM is asked for the same. nf4 changes the base itself, so two
things are checked: the distance under the adapter, compared with the distance under the base, and
whether the CHANGE that the adapter makes (adapter minus base, token by token) is the same on both
sides.

Measurements and blind spots: docs/decisions/drift-bounds.md
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from math import isfinite
from statistics import fmean
from typing import Any

from training.configs.configs import Precision
from training.methods.examples import telling

MAX_SEQUENCES = 16
# How far a trainer's plain base may be from the server's: at least twice what was measured.
BASE_BOUND = {Precision.BF16: 0.15, Precision.NF4: 1.3}
# How much further away the adapter may be than the base: a floor, and a share of its change.
CHILD_FLOOR = 0.1
CHILD_SHARE = 0.25
# As a share of the change: 0 means the same change on both sides, 1 no change on the server.
MISMATCH_BOUND = 0.85
# A smaller change is lost in the distance between the bases, so its mismatch says nothing.
MIN_CHANGE = 0.15
MIN_CHANGE_OF_BASE = 0.5
# The distance of a log-probability that is NaN or absurdly small, so that means stay finite.
MAX_DISTANCE = 50.0


@dataclass(frozen=True)
class TrainedSequence:
    """One answer as the trainer sees it; natural logarithms, one per token."""

    prompt_ids: Sequence[int]
    ids: Sequence[int]
    logprobs: Sequence[float]  # under the new adapter
    base_logprobs: Sequence[float]  # with the adapter switched off
    # For each token what it was drawn among, over which both are normalised; empty if any token.
    allowed_token_ids: Sequence[Sequence[int]] = ()

    @property
    def telling(self) -> list[bool]:
        """For each token whether its log-probability depends on the model: it had an alternative."""
        return telling(self.ids, self.allowed_token_ids)


@dataclass(frozen=True)
class TrainerView:
    """What a finished trainer reports about its adapter."""

    precision: str
    sequences: Sequence[TrainedSequence]


@dataclass(frozen=True)
class ServedSequence:
    """The same answer as the server sees it."""

    logprobs: Sequence[float]
    base_logprobs: Sequence[float]


@dataclass(frozen=True)
class Drift:
    """Distances are means over all tokens, in nats."""

    mean_child: float
    mean_base: float
    bound: float  # of mean_child
    base_bound: float | None  # of mean_base; None in a record that does not have it
    mean_change: float  # the change that the adapter makes, as the trainer sees it
    mismatch: float | None  # between the changes, 0 is none; None: the change is too small to tell
    mismatch_bound: float | None  # None as for base_bound
    sequences: int
    drifted: bool
    why: str  # a sentence if drifted


def trainer_view(result: Mapping[str, Any], *, precision: str) -> TrainerView:
    """From a trainer's result.json."""
    sequences = [TrainedSequence(**value) for value in result.get("drift", ())]
    return TrainerView(precision, tuple(sequences[:MAX_SEQUENCES]))


def compare(pairs: Sequence[tuple[TrainedSequence, ServedSequence]], *, precision: str) -> Drift:
    """The distances and the decision. Each sequence has at least one telling token."""
    child, base, change, mismatch = [], [], [], []
    for ours, theirs in pairs:
        both = zip(
            ours.logprobs, ours.base_logprobs, theirs.logprobs, theirs.base_logprobs, strict=True
        )
        for a, a_base, b, b_base in compress(both, ours.telling):
            child.append(_distance(a, b))
            base.append(_distance(a_base, b_base))
            change.append(_distance(a, a_base))
            mismatch.append(_distance(a - a_base, b - b_base))
    return decide_drift(
        mean_child=fmean(child),
        mean_base=fmean(base),
        mean_change=fmean(change),
        mean_mismatch=fmean(mismatch),
        precision=precision,
        sequences=len(pairs),
    )


def decide_drift(
    *,
    mean_child: float,
    mean_base: float,
    mean_change: float,
    mean_mismatch: float,
    precision: str,
    sequences: int,
) -> Drift:
    """The decision from the four mean distances, in nats."""
    bound = mean_base + max(CHILD_FLOOR, CHILD_SHARE * mean_change)
    is_visible = mean_change >= max(MIN_CHANGE, MIN_CHANGE_OF_BASE * mean_base)
    mismatch = mean_mismatch / mean_change if is_visible else None
    base_bound = BASE_BOUND[Precision(precision)]
    why = _why(mean_child, mean_base, bound, mismatch, base_bound=base_bound)
    return Drift(
        mean_child=round(mean_child, 4),
        mean_base=round(mean_base, 4),
        bound=round(bound, 4),
        base_bound=base_bound,
        mean_change=round(mean_change, 4),
        mismatch=None if mismatch is None else round(mismatch, 4),
        mismatch_bound=MISMATCH_BOUND,
        sequences=sequences,
        drifted=bool(why),
        why=why,
    )


def _distance(one: float, other: float) -> float:
    distance = abs(one - other)
    return min(distance, MAX_DISTANCE) if isfinite(distance) else MAX_DISTANCE


def _why(
    mean_child: float, mean_base: float, bound: float, mismatch: float | None, *, base_bound: float
) -> str:
    if mean_base > base_bound:
        return (
            "Trainer and inference server do not hold the same base model: log-probabilities of "
            f"the same tokens are {mean_base:.2f} apart; the bound is {base_bound:.2f}."
        )
    if mean_child > bound:
        return (
            "The inference server does not play the adapter that was trained: log-probabilities "
            f"of the same tokens are {mean_child:.2f} apart; the bound is {bound:.2f}."
        )
    if mismatch is not None and mismatch > MISMATCH_BOUND:
        return (
            "The inference server does not play the adapter that was trained: what the adapter "
            f"changes differs by {mismatch:.0%} of the change; the bound is {MISMATCH_BOUND:.0%}."
        )
    return ""
