"""The record of a gate: figures, criteria and verdict; stored in TrainingRun.gate. PURE."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from training.gate.criteria import Criterion, criteria_of
from training.gate.decisions import GateDecision, KindCount, ProbeDecision
from training.gate.drift import Drift
from training.gate.figures import BothAnswers, Earlier, OwnFigures, Probe, Probed, Side
from training.gate.formats import FORMAT, in_this_format

JSON = dict[str, Any]


@dataclass(frozen=True)
class GateRecord:
    """The result of one gate.

    It keeps the bounds it was decided with, its verdict and its sentences, so that later bounds
    and later wording change none of them.
    """

    own: OwnFigures
    kinds: Mapping[str, KindCount]
    probes: tuple[Probe, ...]
    drift: Drift | None  # None if the trainer left nothing to compare
    examples: tuple[BothAnswers, ...]
    passed: bool
    refusals: tuple[str, ...]  # a sentence for each criterion that does not hold

    def criteria(self) -> tuple[Criterion, ...]:
        """What was asked of the version, and whether it was met."""
        return criteria_of(self.own.decision, self.kinds, self.probes, self.drift)

    def in_words(self) -> str:
        """Why the version was refused, if it was, with the figures."""
        own, decision = self.own, self.own.decision
        figures = (
            f"On {own.tasks} held-out tasks the mean scores are {own.child.mean:.3f} (new) and "
            f"{own.parent.mean:.3f} (parent), with {own.child.passed} and {own.parent.passed} "
            f"passed; with {decision.confidence:.0%} confidence the difference of "
            f"{decision.difference:+.3f} is above {decision.lower_bound:+.3f}; at least "
            f"{-decision.margin:+.3f} is required."
        )
        held = [probe.name for probe in self.probes if probe.probed and not probe.is_regressed]
        elsewhere = [f"Not clearly worse elsewhere: {', '.join(held)}."] if held else []
        return " ".join([*self.refusals, figures, *elsewhere])

    def as_json(self) -> JSON:
        """What TrainingRun.gate stores; training.gate.formats says what changed between formats.

        format, passed, refusals
        tasks, parent and child {mean, passed}, difference, lower_bound, confidence, margin
        difficulty_weights   a share for each difficulty; empty if all tasks are of the easiest
        kinds       {kind: {tasks, parent_passed, child_passed, min_passes, min_share}}
        probes      [{space, name, tasks, difficulty_weights, problem, parent, child, base, than,
                    difference, upper_bound, confidence, bound, regressed}]; if there is a problem,
                    all fields after it are null
        drift       the fields of training.gate.drift.Drift, or null
        examples    the fields of BothAnswers, each
        """
        own = self.own
        return {
            "format": FORMAT,
            "passed": self.passed,
            "refusals": list(self.refusals),
            "tasks": own.tasks,
            "parent": asdict(own.parent),
            "child": asdict(own.child),
            **asdict(own.decision),
            "difficulty_weights": list(own.difficulty_weights),
            "kinds": {kind: asdict(count) for kind, count in self.kinds.items()},
            "probes": [_probe_to_json(probe) for probe in self.probes],
            "drift": asdict(self.drift) if self.drift else None,
            "examples": [asdict(example) for example in self.examples],
        }


def judged(
    *,
    own: OwnFigures,
    kinds: Mapping[str, KindCount],
    probes: Sequence[Probe],
    drift: Drift | None,
    examples: Sequence[BothAnswers],
) -> GateRecord:
    """The record of a finished gate: a version passes if all criteria hold."""
    criteria = criteria_of(own.decision, kinds, probes, drift)
    return GateRecord(
        own=own,
        kinds=kinds,
        probes=tuple(probes),
        drift=drift,
        examples=tuple(examples),
        passed=all(criterion.holds for criterion in criteria),
        refusals=tuple(criterion.sentence for criterion in criteria if not criterion.holds),
    )


def gate_from_json(stored: Mapping[str, Any]) -> GateRecord | None:
    """The record stored by this release or an earlier one; None before there is one."""
    values = in_this_format(stored)
    if not values:
        return None
    return GateRecord(
        own=OwnFigures(
            tasks=values["tasks"],
            parent=Side(**values["parent"]),
            child=Side(**values["child"]),
            decision=GateDecision(
                difference=values["difference"],
                lower_bound=values["lower_bound"],
                confidence=values["confidence"],
                margin=values["margin"],
            ),
            difficulty_weights=tuple(values["difficulty_weights"]),
        ),
        kinds={kind: KindCount(**count) for kind, count in values["kinds"].items()},
        probes=tuple(_probe_of(probe) for probe in values["probes"]),
        drift=Drift(**values["drift"]) if values["drift"] else None,
        examples=tuple(BothAnswers(**example) for example in values["examples"]),
        passed=values["passed"],
        refusals=tuple(values["refusals"]),
    )


def _probe_to_json(probe: Probe) -> JSON:
    probed = probe.probed
    decision = probed.decision if probed else None
    return {
        "space": probe.space,
        "name": probe.name,
        "tasks": probe.tasks,
        "difficulty_weights": list(probe.difficulty_weights),
        "problem": probe.problem,
        "parent": probed.parent if probed else None,
        "child": probed.child if probed else None,
        "base": probed.base if probed else None,
        "than": probed.than if probed else None,
        "difference": decision.difference if decision else None,
        "upper_bound": decision.upper_bound if decision else None,
        "confidence": decision.confidence if decision else None,
        "bound": decision.bound if decision else None,
        "regressed": decision.is_regressed if decision else None,
    }


def _probe_of(values: Mapping[str, Any]) -> Probe:
    probed = None
    if not values["problem"]:
        probed = Probed(
            parent=values["parent"],
            child=values["child"],
            base=values["base"],
            than=Earlier(values["than"]),
            decision=ProbeDecision(
                difference=values["difference"],
                upper_bound=values["upper_bound"],
                confidence=values["confidence"],
                bound=values["bound"],
                is_regressed=values["regressed"],
            ),
        )
    return Probe(
        space=values["space"],
        name=values["name"],
        tasks=values["tasks"],
        probed=probed,
        problem=values["problem"],
        difficulty_weights=tuple(values["difficulty_weights"]),
    )
