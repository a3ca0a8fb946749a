"""Geometry of the drawings."""

from hypothesis import given
from hypothesis import strategies as st

from frontend import charts

scores = st.lists(st.none() | st.floats(0, 1), min_size=1, max_size=20)


def test_one_point_is_no_curve() -> None:
    assert charts.curve([25.0]) is None


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=50))
def test_a_curve_stays_inside_its_box(means: list[float]) -> None:
    drawn = charts.curve(means, spreads=[3.0] * len(means), width=200, height=50)
    assert drawn is not None
    for point in (drawn.line + " " + drawn.band).split():
        x, y = map(float, point.split(","))
        assert 0 <= x <= 200
        assert 0 <= y <= 50


@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(0, 25)), max_size=30))
def test_intervals_stay_on_their_axis_with_their_mean_inside(
    values: list[tuple[float, float]],
) -> None:
    ends = [(mean - spread, mean, mean + spread) for mean, spread in values]
    drawn = charts.intervals(ends)
    assert len(drawn) == len(values)
    for bar in drawn:
        assert -0.01 <= bar.x <= bar.mean + 0.01
        assert bar.mean <= bar.x + bar.width + 0.02 <= 100.04


@given(scores)
def test_a_stacked_bar_never_outgrows_its_track(values: list[float | None]) -> None:
    bars = charts.stacked(values, whole=len(values))
    assert len(bars) == sum(value is not None for value in values)
    for bar in bars:
        assert bar.width >= 0
        assert bar.x + bar.width <= 100.01
