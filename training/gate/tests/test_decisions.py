from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.gate.criteria import criteria_of
from training.gate.decisions import (
    MARGIN,
    PROBE_BOUND,
    PROBE_CONFIDENCE,
    GateDecision,
    KindCount,
    count_kinds,
    decide,
    decide_probe,
)

scores = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=20)


def draw(rng: Random, *, rate: float, count: int) -> list[float]:
    return [float(rng.random() < rate) for _ in range(count)]


def passes(decision: GateDecision) -> bool:
    """Whether the gate lets the child play if nothing but its own Space's tasks was measured."""
    return all(one.holds for one in criteria_of(decision, {}, (), None))


# --- the Space's own tasks -----------------------------------------------------------------


def test_a_clearly_better_child_passes() -> None:
    decision = decide([0.0] * 48 + [1.0] * 16, [1.0] * 32 + [0.0] * 16 + [1.0] * 16, rng=Random(1))
    assert passes(decision)
    assert decision.difference == pytest.approx(0.5)
    assert 0.3 < decision.lower_bound < 0.5


def test_a_clearly_worse_child_does_not() -> None:
    assert not passes(decide([1.0] * 20 + [0.0] * 44, [0.0] * 64, rng=Random(1)))


def test_a_gain_that_may_be_luck_on_few_tasks_is_not_enough() -> None:
    decision = decide([1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 1.0, 1.0], rng=Random(1))
    assert decision.difference > 0
    assert not passes(decision)


def test_a_small_loss_within_the_margin_is_still_a_loss() -> None:
    decision = decide([0.5] * 64, [0.49] * 64, rng=Random(1))
    assert decision.lower_bound > -decision.margin
    assert not passes(decision)


def test_a_child_that_changed_nothing_may_play() -> None:
    assert passes(decide([0.3] * 64, [0.3] * 64, rng=Random(1)))


def test_no_tasks_are_no_decision() -> None:
    with pytest.raises(ValueError, match="no tasks"):
        decide([], [], rng=Random(1))
    with pytest.raises(ValueError, match="no tasks"):
        decide_probe([], [], rng=Random(1))


@pytest.mark.slow
def test_the_bound_holds_with_about_the_stated_confidence() -> None:
    """Of children that are truly worse by the margin, at most about 1 - confidence get past."""
    rng = Random(7)
    passed = 0
    for _ in range(200):
        parent = draw(rng, rate=0.5, count=64)
        child = draw(rng, rate=0.5 - MARGIN, count=64)
        passed += passes(decide(parent, child, rng=rng))
    assert passed <= 200 * 0.12


@pytest.mark.slow
def test_two_looks_together_err_in_about_one_case_of_ten() -> None:
    rng = Random(8)
    passed = 0
    for _ in range(300):
        parent = draw(rng, rate=0.5, count=128)
        child = draw(rng, rate=0.5 - MARGIN, count=128)
        first = decide(parent[:64], child[:64], rng=rng)
        passed += passes(decide(parent, child, rng=rng) if first.is_open else first)
    assert passed <= 300 * 0.13


@given(scores)
def test_decisions_are_reproducible_and_within_bounds(pairs: list[tuple[float, float]]) -> None:
    parent, child = [a for a, _ in pairs], [b for _, b in pairs]
    own, probe = decide(parent, child, rng=Random(3)), decide_probe(parent, child, rng=Random(3))
    assert own == decide(parent, child, rng=Random(3))
    assert probe == decide_probe(parent, child, rng=Random(3))
    assert -1 <= own.lower_bound <= own.difference + 1e-9
    assert probe.difference - 1e-9 <= probe.upper_bound <= 1 + 1e-9
    assert not (passes(own) and probe.is_regressed)


# --- probes --------------------------------------------------------------------------------


def test_a_skill_that_is_gone_is_a_regression() -> None:
    decision = decide_probe([1.0] * 8 + [0.0] * 8, [0.0] * 16, rng=Random(1))
    assert decision.is_regressed
    assert decision.difference == -0.5
    assert decision.upper_bound < -PROBE_BOUND


def test_noise_on_a_probe_is_no_regression() -> None:
    """Of children that changed nothing, hardly any is refused for a probe's noise."""
    rng = Random(11)
    refused = sum(
        decide_probe(
            draw(rng, rate=0.4, count=16), draw(rng, rate=0.4, count=16), rng=rng
        ).is_regressed
        for _ in range(300)
    )
    assert refused <= 300 * 0.05


@pytest.mark.slow
def test_a_loss_just_at_the_bound_is_refused_no_oftener_than_the_confidence_allows() -> None:
    rng = Random(12)
    refused = sum(
        decide_probe(
            draw(rng, rate=0.5, count=32), draw(rng, rate=0.5 - PROBE_BOUND, count=32), rng=rng
        ).is_regressed
        for _ in range(300)
    )
    assert refused <= 300 * 2 * (1 - PROBE_CONFIDENCE)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_an_unchanged_child_never_regresses(same: list[float]) -> None:
    assert not decide_probe(same, same, rng=Random(1)).is_regressed


# --- kinds ---------------------------------------------------------------------------------


def test_kinds_are_counted_for_both_sides() -> None:
    outcomes = [("b", True, False), ("a", False, True), ("b", True, True)]
    assert count_kinds(outcomes) == {"a": KindCount(1, 0, 1), "b": KindCount(2, 2, 1)}
    assert list(count_kinds(outcomes)) == ["a", "b"]


@pytest.mark.parametrize(
    ("count", "fell"),
    [
        (KindCount(4, 3, 0), True),
        (KindCount(12, 3, 0), True),
        (KindCount(4, 4, 1), False),  # one answer is not zero
        (KindCount(4, 2, 0), False),  # the parent may have been lucky
        (KindCount(40, 3, 0), False),  # the parent hardly ever passed
        (KindCount(), False),
    ],
)
def test_a_kind_falls_to_zero_only_where_the_parent_passed_clearly(
    count: KindCount, fell: bool
) -> None:
    assert count.fell_to_zero is fell


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.booleans()), max_size=60))
def test_counts_add_up_and_a_passed_kind_never_fell(
    outcomes: list[tuple[str, bool, bool]],
) -> None:
    counts = count_kinds(outcomes)
    assert sum(count.tasks for count in counts.values()) == len(outcomes)
    assert sum(count.child_passed for count in counts.values()) == sum(c for _, _, c in outcomes)
    for count in counts.values():
        assert not (count.fell_to_zero and count.child_passed)
        assert count.parent_passed <= count.tasks
