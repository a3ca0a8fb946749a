from itertools import accumulate

import pytest

from benchmarks.gpu.steps import (
    ENDING_SECONDS,
    SERVER_SECONDS,
    TOTAL_SECONDS,
    learning_minutes,
    limit,
    share_of,
    stages,
)

PLANNED = stages(base="/base", tiny=False)


def test_the_shares_fill_eight_minutes() -> None:
    shares = SERVER_SECONDS + sum(map(share_of, PLANNED)) + ENDING_SECONDS
    assert shares == TOTAL_SECONDS == 8 * 60


def test_what_is_left_over_goes_to_the_next_and_nobody_takes_from_later_ones() -> None:
    spent = [SERVER_SECONDS, *accumulate(map(share_of, PLANNED), initial=SERVER_SECONDS)][1:]
    for place, (stage, before) in enumerate(zip(PLANNED, spent, strict=False)):
        left = TOTAL_SECONDS - before
        assert limit(place, PLANNED, left=left, total=TOTAL_SECONDS) == share_of(stage)
        assert limit(place, PLANNED, left=left + 30, total=TOTAL_SECONDS) == share_of(stage) + 30
    assert limit(0, PLANNED, left=5, total=TOTAL_SECONDS) == 0


def test_another_total_scales_the_shares() -> None:
    double = limit(1, PLANNED, left=2 * TOTAL_SECONDS, total=2 * TOTAL_SECONDS)
    assert double == 2 * limit(1, PLANNED, left=TOTAL_SECONDS, total=TOTAL_SECONDS)


@pytest.mark.parametrize(
    ("seconds", "minutes"), [(600, 4.0), (300, 4.0), (240, 3.0), (119, 0.0), (0, 0.0)]
)
def test_learning_takes_what_is_left_up_to_four_minutes(seconds: float, minutes: float) -> None:
    assert learning_minutes(seconds) == minutes


def test_steps_that_measure_run_alone() -> None:
    assert [len(stage) for stage in PLANNED] == [2, 1, 1, 1, 1]
    assert len({step.name for stage in PLANNED for step in stage}) == 6
