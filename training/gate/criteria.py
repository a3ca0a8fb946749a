"""What a trained version must meet, each condition with a sentence for the owner. PURE."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from training.gate.decisions import GateDecision, KindCount
from training.gate.drift import Drift
from training.gate.figures import Probe, Probed


@dataclass(frozen=True)
class Criterion:
    """A condition for a version; the sentence says, with figures, whether it is met."""

    holds: bool
    sentence: str


def criteria_of(
    own: GateDecision,
    kinds: Mapping[str, KindCount],
    probes: Sequence[Probe],
    drift: Drift | None,
) -> tuple[Criterion, ...]:
    """Every condition of the gate; a version passes if all of them hold.

    What was not measured, or cannot be decided, has no criterion.
    """
    asked = [(probe.name, probe.probed) for probe in probes if probe.probed]
    return (
        _not_behind(own),
        _within_margin(own),
        *([_kinds(kinds)] if kinds else []),
        *([_elsewhere(asked)] if asked else []),
        *([_played_as_trained(drift)] if drift else []),
    )


def _not_behind(own: GateDecision) -> Criterion:
    points = _points(abs(own.difference))
    if own.is_behind:
        sentence = f"The new version is {points} behind its parent on the held-out tasks."
        return Criterion(False, sentence)
    return Criterion(True, f"It is not behind its parent on these tasks: it is {points} ahead.")


def _within_margin(own: GateDecision) -> Criterion:
    margin = _points(own.margin)
    known = (
        f"with {own.confidence:.0%} confidence the difference is at least "
        f"{_signed_points(own.lower_bound)}."
    )
    if own.is_within_margin:
        sentence = f"On other tasks like them it is unlikely to be more than {margin} behind: "
    elif own.is_behind:
        sentence = f"On other tasks like them it may be more than {margin} behind: "
    else:
        sentence = f"Its lead may be luck: on other tasks it could be more than {margin} behind; "
    return Criterion(own.is_within_margin, sentence + known)


def _kinds(kinds: Mapping[str, KindCount]) -> Criterion:
    unlearned = {kind: count for kind, count in kinds.items() if count.fell_to_zero}
    if not unlearned:
        return Criterion(
            True,
            "It has not unlearned any kind of task: what its parent clearly passes, it still passes.",
        )
    names = ", ".join(kind.replace("_", " ") for kind in unlearned)
    counts = ", ".join(f"{count.parent_passed} of {count.tasks}" for count in unlearned.values())
    return Criterion(
        False,
        f"It has unlearned {'a kind' if len(unlearned) == 1 else 'kinds'} of task: {names}. "
        f"It passes none, while its parent passes {counts}.",
    )


def _elsewhere(asked: Sequence[tuple[str, Probed]]) -> Criterion:
    worse = [(name, probed) for name, probed in asked if probed.decision.is_regressed]
    if not worse:
        return Criterion(True, "It is not clearly worse at anything else that was tested.")
    names = ", ".join(name for name, _ in worse)
    losses = " ".join(_loss(name, probed) for name, probed in worse)
    return Criterion(False, f"It is clearly worse elsewhere: {names}. {losses}")


def _loss(name: str, probed: Probed) -> str:
    decision = probed.decision
    return (
        f"In {name} it is {_points(-decision.difference)} behind its {probed.than}, and with "
        f"{decision.confidence:.0%} confidence at least {_points(-decision.upper_bound)} behind on "
        f"other tasks like those; {_points(decision.bound)} are allowed."
    )


def _played_as_trained(drift: Drift) -> Criterion:
    if drift.drifted:
        return Criterion(False, drift.why)
    return Criterion(
        True, "The server plays what was trained: server and trainer agree on its answers."
    )


def _points(share: float) -> str:
    return f"{share * 100:.1f} points"


def _signed_points(share: float) -> str:
    """Signed, with a real minus sign."""
    return f"{share * 100:+.1f} points".replace("-", "−")
