"""A record's verdict follows its criteria and never changes; every format can be read."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.gate.decisions import GateDecision, KindCount, ProbeDecision
from training.gate.drift import Drift
from training.gate.figures import BothAnswers, Earlier, OwnFigures, Probe, Probed, Side
from training.gate.formats import FORMAT, format_1_of, format_2_of
from training.gate.record import GateRecord, gate_from_json, judged

GOOD = GateDecision(difference=0.1, lower_bound=0.02, confidence=0.94, margin=0.05)
HELD = KindCount(tasks=12, parent_passed=5, child_passed=1)
UNLEARNED = KindCount(tasks=12, parent_passed=5, child_passed=0)


def make_drift(*, why: str = "") -> Drift:
    return Drift(
        mean_child=0.7,
        mean_base=0.6,
        bound=0.9,
        base_bound=1.3,
        mean_change=1.1,
        mismatch=0.6,
        mismatch_bound=0.85,
        sequences=16,
        drifted=bool(why),
        why=why,
    )


def make_probe(name: str = "Tiny poems", *, is_regressed: bool = False, **changes: Any) -> Probe:
    decision = ProbeDecision(
        difference=-0.22 if is_regressed else 0.01,
        upper_bound=-0.12 if is_regressed else 0.1,
        confidence=0.95,
        bound=0.1,
        is_regressed=is_regressed,
    )
    probed = Probed(parent=0.5, child=0.3, base=0.4, than=Earlier.PARENT, decision=decision)
    values: dict[str, Any] = {"space": "poems", "name": name, "tasks": 16, "probed": probed}
    return Probe(**(values | changes))


UNJUDGED = make_probe("Debates", probed=None, problem="Only 3 of 16 tasks could be judged.")


def make_gate(**changes: Any) -> GateRecord:
    own = OwnFigures(tasks=64, parent=Side(0.3, 9), child=Side(0.4, 13), decision=GOOD)
    values: dict[str, Any] = {
        "own": own,
        "kinds": {"title": HELD},
        "probes": [make_probe(), UNJUDGED],
        "drift": make_drift(),
        "examples": [BothAnswers("title", "A title.", "no", "Yes", 0.2, 0.9)],
    }
    if decision := changes.pop("decision", None):
        changes["own"] = replace(own, decision=decision)
    return judged(**(values | changes))


# --- criteria ------------------------------------------------------------------------------


def test_a_version_of_which_every_criterion_holds_passes() -> None:
    gate = make_gate()
    assert [criterion.holds for criterion in gate.criteria()] == [True] * 5
    assert (gate.passed, gate.refusals) == (True, ())
    assert gate.in_words().endswith("Not clearly worse elsewhere: Tiny poems.")


BEHIND = "The new version is 1.5 points behind its parent on the held-out tasks."
LUCKY = (
    "Its lead may be luck: on other tasks it could be more than 5.0 points behind; with 94% "
    "confidence the difference is at least −8.3 points."
)
ONE_KIND = (
    "It has unlearned a kind of task: end phrase. It passes none, while its parent passes 5 of 12."
)
TWO_KINDS = (
    "It has unlearned kinds of task: title, quotes. It passes none, while its parent passes 5 of "
    "12, 5 of 8."
)
ELSEWHERE = (
    "It is clearly worse elsewhere: Tiny poems. In Tiny poems it is 22.0 points behind its "
    "parent, and with 95% confidence at least 12.0 points behind on other tasks like those; "
    "10.0 points are allowed."
)
DRIFTED = "Another adapter plays."


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"decision": replace(GOOD, difference=-0.015)}, BEHIND),
        ({"decision": replace(GOOD, lower_bound=-0.083)}, LUCKY),
        ({"kinds": {"end_phrase": UNLEARNED, "title": HELD}}, ONE_KIND),
        ({"kinds": {"title": UNLEARNED, "quotes": replace(UNLEARNED, tasks=8)}}, TWO_KINDS),
        ({"probes": [make_probe(is_regressed=True), make_probe("Sums")]}, ELSEWHERE),
        ({"drift": make_drift(why=DRIFTED)}, DRIFTED),
    ],
)
def test_one_criterion_that_fails_refuses_with_its_sentence(
    changes: dict[str, Any], sentence: str
) -> None:
    gate = make_gate(**changes)
    assert (gate.passed, gate.refusals) == (False, (sentence,))
    assert [each.sentence for each in gate.criteria() if not each.holds] == [sentence]
    assert gate.in_words().startswith(f"{sentence} On 64 held-out tasks the mean scores are 0.400")


def test_what_was_not_looked_at_is_no_criterion() -> None:
    gate = make_gate(kinds={}, probes=[UNJUDGED], drift=None)
    assert [criterion.holds for criterion in gate.criteria()] == [True, True]
    assert gate.passed
    assert "elsewhere" not in gate.in_words()


@given(
    st.floats(-1, 1),
    st.floats(-1, 1),
    st.lists(st.booleans(), max_size=3),
    st.sampled_from([None, "", DRIFTED]),
    st.sampled_from([{}, {"title": HELD}, {"title": UNLEARNED}]),
)
def test_a_version_passes_if_and_only_if_all_criteria_hold(
    difference: float,
    lower_bound: float,
    regressed: list[bool],
    why: str | None,
    kinds: dict[str, KindCount],
) -> None:
    gate = make_gate(
        decision=replace(GOOD, difference=difference, lower_bound=lower_bound),
        probes=[make_probe(is_regressed=is_regressed) for is_regressed in regressed],
        drift=None if why is None else make_drift(why=why),
        kinds=kinds,
    )
    assert gate.passed == all(criterion.holds for criterion in gate.criteria())
    assert gate.passed == (not gate.refusals)
    assert gate_from_json(json.loads(json.dumps(gate.as_json()))) == gate


def test_a_record_keeps_the_bounds_and_the_verdict_of_its_time() -> None:
    lax, strict = replace(UNLEARNED, min_passes=6), replace(UNLEARNED, tasks=40, min_share=0.1)
    assert not replace(strict, min_share=KindCount().min_share).fell_to_zero, "by today's bounds"
    for decision, kind, passed in (
        (replace(GOOD, lower_bound=-0.4, margin=0.5), lax, True),
        (replace(GOOD, lower_bound=-0.03, margin=0.01), lax, False),
        (GOOD, strict, False),
    ):
        gate = gate_from_json(make_gate(decision=decision, kinds={"title": kind}).as_json())
        assert gate is not None
        assert gate.passed is passed
        assert all(criterion.holds for criterion in gate.criteria()) is passed


# --- formats -------------------------------------------------------------------------------

# As the first release stored it: own tasks only.
OLDEST = {
    "tasks": 40,
    "parent": {"mean": 0.3, "passed": 9},
    "child": {"mean": 0.25, "passed": 7},
    "difference": -0.05,
    "lower_bound": -0.12,
    "confidence": 0.9,
    "margin": 0.05,
    "adopted": False,
    "examples": [
        {
            "kind": "title",
            "task": "A title.",
            "parent": "a",
            "child": "b",
            "parent_score": 0.2,
            "child_score": 0.9,
        }
    ],
}
PROBE_1 = {
    "space": "poems",
    "name": "Tiny poems",
    "tasks": 16,
    "parent": 0.52,
    "child": 0.3,
    "base": 0.55,
    "difference": -0.25,
    "upper_bound": -0.12,
    "confidence": 0.95,
    "bound": 0.1,
    "regressed": True,
    "problem": "",
}
UNJUDGED_1 = PROBE_1 | {
    "parent": None,
    "child": None,
    "base": None,
    "difference": None,
    "upper_bound": None,
    "regressed": False,
    "problem": "Only 3 of 16 tasks could be judged.",
}
# As the release before this format stored it.
NEWEST = OLDEST | {
    "difference": 0.1,
    "lower_bound": 0.02,
    "kinds": {"title": {"tasks": 12, "parent_passed": 5, "child_passed": 0}},
    "probes": [PROBE_1, UNJUDGED_1],
    "drift": {
        "mean_child": 0.786,
        "mean_base": 0.635,
        "bound": 0.913,
        "mean_change": 1.112,
        "mismatch": 0.67,
        "sequences": 16,
        "drifted": True,
        "why": "The server plays another adapter.",
    },
    "refusals": ["It has unlearned the kind “title”.", "The server plays another adapter."],
}


def test_nothing_is_no_record() -> None:
    assert gate_from_json({}) is None


def test_the_oldest_record_is_read_with_what_it_has() -> None:
    gate = gate_from_json(OLDEST)
    assert gate is not None
    assert (gate.own.tasks, gate.own.child.passed, gate.own.decision.confidence) == (40, 7, 0.9)
    assert (gate.passed, gate.refusals) == (False, ())
    assert (gate.kinds, gate.probes, gate.drift) == ({}, (), None)
    assert [criterion.holds for criterion in gate.criteria()] == [False, False]
    assert gate.in_words().startswith("On 40 held-out tasks the mean scores are 0.250 (new)")


def test_a_record_of_the_release_before_keeps_its_verdict_and_its_words() -> None:
    gate = gate_from_json(NEWEST)
    assert gate is not None
    assert gate.passed is False
    assert list(gate.refusals) == NEWEST["refusals"]
    assert [criterion.holds for criterion in gate.criteria()] == [True, True, False, False, False]
    poems, debates = gate.probes
    assert poems.is_regressed
    assert poems.probed is not None
    assert poems.probed.than == Earlier.BASE, "0.30 is 0.25 less than the base's 0.55"
    assert (debates.probed, debates.problem) == (None, "Only 3 of 16 tasks could be judged.")
    assert gate.drift is not None
    assert (gate.drift.mismatch, gate.drift.base_bound) == (0.67, None)


@pytest.mark.parametrize("old", [OLDEST, NEWEST])
def test_a_converted_record_reads_as_the_stored_one_and_goes_back(old: dict[str, Any]) -> None:
    new = format_2_of(old)
    assert new["format"] == FORMAT
    assert gate_from_json(new) == gate_from_json(old)
    back = format_1_of(new)
    assert {name: back[name] for name in old} == old
    assert gate_from_json(back) == gate_from_json(old)


def test_a_record_of_today_goes_back_to_the_format_before_with_its_verdict() -> None:
    gate = make_gate(probes=[make_probe(is_regressed=True), UNJUDGED])
    back = format_1_of(gate.as_json())
    assert not {"format", "passed"} & back.keys()
    assert (back["adopted"], back["refusals"]) == (False, list(gate.refusals))
    assert "than" not in back["probes"][0]
    again = gate_from_json(back)
    assert again is not None
    assert again.criteria() == gate.criteria()


_OPTIONAL = sorted(
    NEWEST.keys() - {"tasks", "parent", "child", "difference", "lower_bound", "adopted"}
)


@given(
    st.sets(st.sampled_from(_OPTIONAL)),
    st.sets(st.sampled_from(sorted(PROBE_1))),
    st.sets(st.sampled_from(["mean_child", "mean_change", "mismatch", "sequences", "why"])),
)
def test_a_missing_key_breaks_nothing(
    absent: set[str], absent_of_probe: set[str], absent_of_drift: set[str]
) -> None:
    old: dict[str, Any] = json.loads(json.dumps(NEWEST))
    for name in absent_of_probe:
        del old["probes"][0][name]
    for name in absent_of_drift:
        del old["drift"][name]
    for name in absent:
        del old[name]
    gate = gate_from_json(old)
    assert gate is not None
    assert gate.passed is False
    assert len(gate.criteria()) >= 2
    assert gate.in_words()


def test_a_record_keeps_the_mix_of_difficulties_and_one_without_it_is_still_read() -> None:
    mix = (0.2, 0.5, 0.3)
    plain = make_gate()
    gate = make_gate(
        own=replace(plain.own, difficulty_weights=mix),
        probes=[make_probe(difficulty_weights=(0.5, 0.5))],
    )
    stored = json.loads(json.dumps(gate.as_json()))
    assert gate_from_json(stored) == gate
    del stored["difficulty_weights"], stored["probes"][0]["difficulty_weights"]
    assert gate_from_json(stored) == make_gate(probes=[make_probe()])


def test_a_record_of_a_later_release_is_not_guessed_at() -> None:
    with pytest.raises(ValueError, match="format 99"):
        gate_from_json(make_gate().as_json() | {"format": 99})
