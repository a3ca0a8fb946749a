"""The formats of the stored gate record, each converted from the one before. PURE.

1   unnumbered; what passed was called "adopted". Its oldest rows have neither kinds, probes
    nor drift, and later ones no comparison with the plain base.
2   training.gate.record.GateRecord.as_json. "passed", and every bound that the verdict rests on.
    Its first records say nothing of difficulties: all their tasks were of the easiest.
"""

from collections.abc import Mapping
from typing import Any

FORMAT = 2

JSON = dict[str, Any]

_UNMIXED: JSON = {"difficulty_weights": []}

# Without these, a gate of format 1 had not been decided.
_DECIDED = {"tasks", "parent", "child", "difference", "lower_bound", "adopted"}
# The bounds in use wherever format 1 does not name them.
_OWN = {"confidence": 0.9, "margin": 0.05}
_KIND = {"tasks": 0, "parent_passed": 0, "child_passed": 0, "min_passes": 3, "min_share": 0.25}
_PROBE = {
    "space": "",
    "name": "",
    "tasks": 0,
    "problem": "",
    "parent": None,
    "child": None,
    "base": None,
    "difference": None,
    "upper_bound": None,
    "confidence": 0.95,
    "bound": 0.1,
    "regressed": False,
}
# Without these, a probe of format 1 was undecided.
_PROBED = ("parent", "child", "difference", "upper_bound")
_DRIFT = {
    "mean_child": 0.0,
    "mean_base": 0.0,
    "bound": 0.0,
    "base_bound": None,
    "mean_change": 0.0,
    "mismatch": None,
    "mismatch_bound": None,
    "sequences": 0,
    "drifted": False,
    "why": "",
}
_EXAMPLE = {
    "kind": "",
    "task": "",
    "parent": "",
    "child": "",
    "parent_score": 0.0,
    "child_score": 0.0,
}


def in_this_format(stored: Mapping[str, Any]) -> JSON:
    """The stored record in the newest format; empty before there is one.

    Raises ValueError for a record of a later release.
    """
    match stored.get("format"):
        case None:
            return format_2_of(stored)
        case 2:
            probes = [_UNMIXED | probe for probe in stored["probes"]]
            return _UNMIXED | dict(stored) | {"probes": probes}
        case later:
            raise ValueError(
                f"The gate's record is of format {later}, which this release cannot read."
            )


def format_2_of(old: Mapping[str, Any]) -> JSON:
    """From a record of format 1; empty if no gate had been decided."""
    if not old.keys() >= _DECIDED:
        return {}
    drift = old.get("drift")
    return {
        **_UNMIXED,
        "format": 2,
        "passed": old["adopted"],
        "refusals": old.get("refusals", []),
        "tasks": old["tasks"],
        "parent": _with({"mean": 0.0, "passed": 0}, old["parent"]),
        "child": _with({"mean": 0.0, "passed": 0}, old["child"]),
        "difference": old["difference"],
        "lower_bound": old["lower_bound"],
        **_with(_OWN, old),
        "kinds": {kind: _with(_KIND, count) for kind, count in old.get("kinds", {}).items()},
        "probes": [_probe_2_of(_with(_PROBE, probe)) for probe in old.get("probes", [])],
        "drift": _with(_DRIFT, drift) if drift else None,
        "examples": [_with(_EXAMPLE, example) for example in old.get("examples", [])],
    }


def format_1_of(new: Mapping[str, Any]) -> JSON:
    """A record of format 2 as the release before it would read one."""
    drift = new["drift"]
    return {
        **_without(new, "format", "passed", "difficulty_weights"),
        "adopted": new["passed"],
        "kinds": {
            kind: _without(count, "min_passes", "min_share") for kind, count in new["kinds"].items()
        },
        "probes": [_without(probe, "than", "difficulty_weights") for probe in new["probes"]],
        "drift": _without(drift, "base_bound", "mismatch_bound") if drift else None,
    }


def _probe_2_of(old: JSON) -> JSON:
    """Say what the difference is from, which format 1 leaves to be inferred from the figures."""
    if old["problem"] or None in [old[name] for name in _PROBED]:
        return _UNMIXED | old | {"than": None, "problem": old["problem"] or "It was not judged."}

    def far(side: str) -> float:
        """How far the difference is from the difference of the (rounded) means."""
        return abs(float(old["difference"] - (old["child"] - old[side])))

    is_from_base = old["base"] is not None and far("base") < far("parent")
    return _UNMIXED | old | {"than": "plain base" if is_from_base else "parent"}


def _with(defaults: Mapping[str, Any], found: Mapping[str, Any]) -> JSON:
    """The found values of these names, and the defaults for the rest."""
    return {name: found.get(name, default) for name, default in defaults.items()}


def _without(values: Mapping[str, Any], *names: str) -> JSON:
    return {name: value for name, value in values.items() if name not in names}
