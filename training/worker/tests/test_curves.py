"""Which points of its curve a run keeps."""

from training.worker.steps import MAX_CURVE_POINTS, before, thinned


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    curve = [{"step": step} for step in range(5 * MAX_CURVE_POINTS)]
    short = thinned(curve)
    assert len(short) <= MAX_CURVE_POINTS
    assert (short[0], short[-1]) == (curve[0], curve[-1])


def test_steps_that_are_repeated_after_a_checkpoint_replace_their_points() -> None:
    curve = [{"step": step} for step in (1, 2, 3)]
    assert before(curve, 2) == [{"step": 1}]
