from random import Random

import pytest

from judges.bench.figures import MAX_REASONS, Figures, PairOutcome, PairTally, wilson
from judges.bench.report import Prices, lines


def outcome(
    first: int | None, second: int | None, *, longer: int = 0, **more: object
) -> PairOutcome:
    return PairOutcome("id", first, second, longer, 1.0, **more)  # type: ignore[arg-type]


def figures_of(*outcomes: PairOutcome) -> Figures:
    tally = PairTally()
    for one in outcomes:
        tally.add(one)
    return tally.figures()


def value(figures: Figures, name: str) -> float:
    estimate = getattr(figures, name)
    assert estimate is not None
    assert estimate.low <= estimate.value <= estimate.high
    return float(estimate.value)


def test_a_tie_counts_half_and_is_told_apart() -> None:
    found = figures_of(outcome(1, 1), outcome(0, 0), outcome(-1, 1), outcome(1, 0))
    assert value(found, "accuracy") == pytest.approx((1 + 0.5 + 0.5 + 0.75) / 4)
    assert value(found, "ties") == pytest.approx((0 + 1 + 0 + 0.5) / 4)
    assert value(found, "right_twice") == 0.25


def test_whoever_always_prefers_a_seat_follows_position_and_is_right_half_the_time() -> None:
    found = figures_of(*(outcome(1, -1) for _ in range(10)))
    assert value(found, "follows_position") == 1.0
    assert value(found, "accuracy") == 0.5
    assert (value(found, "chosen_first"), value(found, "chosen_second")) == (1.0, 0.0)


def test_what_could_not_be_said_is_no_tie_and_no_miss() -> None:
    found = figures_of(
        outcome(1, 1),
        outcome(None, None, reasons=("empty", "empty")),
        outcome(1, None, reasons=("late",)),
    )
    assert value(found, "accuracy") == 1.0
    assert value(found, "ties") == 0.0
    assert (found.unsaid, found.half_said) == (1, 1)
    assert found.reasons == {"empty": 2, "late": 1}


def test_whoever_prefers_the_longer_answer_has_a_length_bias() -> None:
    """Half the time it is the right one, so that this is all bias."""
    found = figures_of(*(outcome(longer, longer, longer=longer) for longer in (1, -1) * 5))
    assert value(found, "prefers_longer") == 1.0
    assert value(found, "length_bias") == 0.5
    fair = figures_of(*(outcome(1, 1, longer=longer) for longer in (1, -1) * 5))
    assert value(fair, "length_bias") == 0.0


def test_intervals_hold_what_a_judge_of_known_accuracy_does() -> None:
    rng = Random(7)
    held = 0
    for _ in range(200):
        said = [1 if rng.random() < 0.7 else -1 for _ in range(100)]
        found = figures_of(*(outcome(one, one) for one in said)).accuracy
        assert found is not None
        held += found.low <= 0.7 <= found.high
    assert 180 <= held <= 200


def test_no_more_than_some_reasons_are_kept_apart() -> None:
    found = figures_of(*(outcome(None, None, reasons=(str(n),)) for n in range(100)))
    assert len(found.reasons) == MAX_REASONS + 1
    assert sum(found.reasons.values()) == 100


def test_a_judge_that_said_nothing_has_no_figures_but_a_report() -> None:
    found = figures_of(outcome(None, None, reasons=("empty",)))
    assert found.accuracy is None
    told = "\n".join(lines("reader", found, None))
    assert "reader: 1 pairs, 0 judged" in told
    assert "1 x empty" in told


def test_the_cost_is_that_of_prompt_and_completion_tokens() -> None:
    found = figures_of(
        outcome(1, 1, requests=2, prompt_tokens=1_500_000, completion_tokens=100_000),
        outcome(1, 1, requests=2, prompt_tokens=500_000, completion_tokens=100_000),
    )
    told = "\n".join(lines("reader", found, Prices(0.5, 2.0)))
    assert "1.4000 in all, 0.700000 for a pair" in told


def test_a_share_of_nothing_or_all_has_an_interval_of_some_width() -> None:
    assert wilson(1.0, 10)[0] == pytest.approx(0.722, abs=0.001)
    assert wilson(0.0, 10)[1] == pytest.approx(0.278, abs=0.001)
