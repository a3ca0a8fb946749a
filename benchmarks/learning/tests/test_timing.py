import pytest

from benchmarks.learning.bench import FIRST_MATCH_SECONDS, FIRST_RUN_SECONDS, Timing


@pytest.mark.parametrize("minutes", [1.0, 3.0, 22.0])
def test_a_learner_begins_however_short_its_time_is(minutes: float) -> None:
    timing = Timing(given_seconds=60 * minutes)
    assert timing.match_seconds + timing.run_seconds < 60 * minutes / 2


def test_a_long_time_changes_nothing_that_was_measured_changes_all() -> None:
    timing = Timing(given_seconds=60 * 20.0)
    assert (timing.match_seconds, timing.run_seconds) == (FIRST_MATCH_SECONDS, FIRST_RUN_SECONDS)
    timing.matches.append(7.0)
    timing.runs.append(9.0)
    assert (timing.match_seconds, timing.run_seconds) == (7.0, 9.0)
