"""The gate's figures in an owner's words. Pure."""

from collections.abc import Mapping
from typing import Any

from training.gate.decisions import GateDecision, KindCount, ProbeDecision


def in_words(gate: Mapping[str, Any]) -> str:
    """Why the version was refused, if it was, and the figures; see training.gate.evaluate.evaluate."""
    parent, child = gate["parent"], gate["child"]
    figures = (
        f"On {gate['tasks']} held-out tasks the mean scores are {child['mean']:.3f} (new) and "
        f"{parent['mean']:.3f} (parent), {child['passed']} and {parent['passed']} passed; with "
        f"{gate['confidence']:.0%} confidence the difference of {gate['difference']:+.3f} is "
        f"above {gate['lower_bound']:+.3f}, where at least {-gate['margin']:+.3f} is asked."
    )
    held = [
        probe["name"] for probe in gate["probes"] if not (probe["regressed"] or probe["problem"])
    ]
    elsewhere = [f"Not clearly worse elsewhere: {', '.join(held)}."] if held else []
    return " ".join([*gate["refusals"], figures, *elsewhere])


def own_refusals(decision: GateDecision) -> list[str]:
    """A sentence if the child is not good enough on its own Space's tasks."""
    if decision.is_good:
        return []
    if decision.difference < 0:
        return ["The new version is behind its parent on the held-out tasks."]
    sentence = (
        "The new version's lead on the held-out tasks may be luck: on others like them it could "
        f"be behind by more than {decision.margin:.2f}."
    )
    return [sentence]


def kind_refusals(kinds: Mapping[str, KindCount]) -> list[str]:
    """A sentence for each kind that fell to zero."""
    return [
        f"It has unlearned the kind “{kind}”: it passes none of {count.tasks} tasks, of which "
        f"its parent passes {count.parent_passed}."
        for kind, count in kinds.items()
        if count.fell_to_zero
    ]


def probe_refusal(name: str, decision: ProbeDecision, *, than: str) -> str:
    """The sentence for a regression elsewhere; `than`: "parent" or "plain base"."""
    return (
        f"It is clearly worse than its {than} elsewhere, in {name}: by "
        f"{-decision.difference:.3f} on these tasks, and with {decision.confidence:.0%} "
        f"confidence by at least {-decision.upper_bound:.3f} on others like them, where "
        f"{decision.bound:.3f} is the bound."
    )
