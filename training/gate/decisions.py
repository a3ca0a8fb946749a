"""Whether a trained version may play, decided from its scores and its parent's. PURE."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean

from training.gate.bootstrap import bootstrap, quantile

MARGIN = 0.05  # of the mean score: this much worse still counts as "not worse"
# One-sided, for each of two looks: docs/decisions/gate-looks.md
CONFIDENCE = 0.94

# A probe only looks for damage: it refuses clear losses and tolerates noise.
PROBE_BOUND = 0.1
PROBE_CONFIDENCE = 0.95  # one-sided
MIN_PROBE_TASKS = 8  # a bootstrap over fewer is far too confident

# A parent clearly passes a kind of task if it passes at least this many and this share of it.
MIN_KIND_PASSES = 3
MIN_KIND_SHARE = 0.25


@dataclass(frozen=True)
class GateDecision:
    """Mean difference child - parent, its lower confidence bound, and what follows."""

    difference: float
    lower_bound: float
    confidence: float
    margin: float

    @property
    def is_behind(self) -> bool:
        """On the tasks of the exam itself."""
        return self.difference < 0

    @property
    def is_within_margin(self) -> bool:
        """On other tasks like these, with the stated confidence."""
        return self.lower_bound >= -self.margin

    @property
    def is_open(self) -> bool:
        """Not behind here, but too few tasks to say more."""
        return not self.is_behind and not self.is_within_margin


@dataclass(frozen=True)
class ProbeDecision:
    """Mean difference child - parent (or base), its upper confidence bound, and what follows."""

    difference: float
    upper_bound: float
    confidence: float
    bound: float
    is_regressed: bool


@dataclass(frozen=True)
class KindCount:
    """How many tasks of one kind each side passed."""

    tasks: int = 0
    parent_passed: int = 0
    child_passed: int = 0
    # What "clearly passed" means for the parent.
    min_passes: int = MIN_KIND_PASSES
    min_share: float = MIN_KIND_SHARE

    @property
    def fell_to_zero(self) -> bool:
        """Whether the child passes none of a kind that the parent clearly passed."""
        return (
            self.child_passed == 0
            and self.parent_passed >= self.min_passes
            and self.parent_passed >= self.min_share * self.tasks
        )


def decide(
    parent_scores: Sequence[float],
    child_scores: Sequence[float],
    *,
    rng: Random,
    margin: float = MARGIN,
    confidence: float = CONFIDENCE,
) -> GateDecision:
    """A paired bootstrap over tasks.

    The child passes if it is not behind on these tasks and, with the stated one-sided
    confidence, not behind by more than the margin on others like them. Both halves are needed:
    the bound alone would let small losses through, one run after another, and the mean alone
    would let the luck of a few tasks through. Scores are in [0, 1], one per task, in task order.
    """
    differences = _differences(parent_scores, child_scores)
    means = bootstrap([differences], fmean, rng=rng)
    return GateDecision(
        difference=fmean(differences),
        lower_bound=quantile(means, 1 - confidence),
        confidence=confidence,
        margin=margin,
    )


def decide_probe(
    earlier_scores: Sequence[float],
    child_scores: Sequence[float],
    *,
    rng: Random,
    bound: float = PROBE_BOUND,
    confidence: float = PROBE_CONFIDENCE,
) -> ProbeDecision:
    """The same bootstrap the other way round: is the child worse by more than the bound?

    It counts as regressed only if, with the stated one-sided confidence, it is behind by more
    than the bound on tasks like these.
    """
    differences = _differences(earlier_scores, child_scores)
    upper_bound = quantile(bootstrap([differences], fmean, rng=rng), confidence)
    return ProbeDecision(
        difference=fmean(differences),
        upper_bound=upper_bound,
        confidence=confidence,
        bound=bound,
        is_regressed=upper_bound < -bound,
    )


def count_kinds(outcomes: Iterable[tuple[str, bool, bool]]) -> dict[str, KindCount]:
    """Counts by kind, in the order of the kinds' names; an outcome is (kind, parent, child)."""
    counts: dict[str, KindCount] = {}
    for kind, parent_passed, child_passed in outcomes:
        before = counts.get(kind, KindCount())
        counts[kind] = KindCount(
            tasks=before.tasks + 1,
            parent_passed=before.parent_passed + parent_passed,
            child_passed=before.child_passed + child_passed,
        )
    return dict(sorted(counts.items()))


def _differences(parent: Sequence[float], child: Sequence[float]) -> list[float]:
    differences = [after - before for before, after in zip(parent, child, strict=True)]
    if not differences:
        raise ValueError("no tasks to decide on")
    return differences
