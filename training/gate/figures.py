"""What the gate measures: the Space's own tasks, probes of other skills, and examples. PURE."""

from dataclasses import dataclass
from enum import StrEnum

from training.gate.decisions import GateDecision, ProbeDecision


class Earlier(StrEnum):
    """What a child is compared with in a probe."""

    PARENT = "parent"
    BASE = "plain base"


@dataclass(frozen=True)
class Side:
    """One version on the Space's own tasks."""

    mean: float  # of the scores, [0, 1]
    passed: int  # tasks passed in full


@dataclass(frozen=True)
class OwnFigures:
    """Both versions on the Space's own tasks; both looks together, if the first left it open."""

    tasks: int
    parent: Side
    child: Side
    decision: GateDecision
    # The shares of the difficulties among the tasks, fixed for the run; (): all of the easiest.
    difficulty_weights: tuple[float, ...] = ()


@dataclass(frozen=True)
class Probed:
    """Mean scores in a probe, [0, 1], and the decision."""

    parent: float
    child: float
    base: float | None  # None if the parent is the plain base
    than: Earlier  # what the decision compares with: the base only if the child regressed from it alone
    decision: ProbeDecision


@dataclass(frozen=True)
class Probe:
    """One exam of another skill; undecided if too few of its tasks could be judged."""

    space: str  # slug
    name: str
    tasks: int
    probed: Probed | None
    problem: str = ""  # a sentence, if undecided
    difficulty_weights: tuple[float, ...] = ()  # as in OwnFigures

    @property
    def is_regressed(self) -> bool:
        return self.probed is not None and self.probed.decision.is_regressed


@dataclass(frozen=True)
class BothAnswers:
    """Both answers to one of the Space's own tasks, shortened; scores in [0, 1]."""

    kind: str
    task: str
    parent: str
    child: str
    parent_score: float
    child_score: float
