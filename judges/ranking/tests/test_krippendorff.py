import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.ranking.krippendorff import alpha_of

columns = st.lists(st.dictionaries(st.integers(0, 7), st.floats(0, 1)), max_size=5)


def test_alpha_of_krippendorffs_own_example() -> None:
    """Four coders and twelve units, interval data: Computing Krippendorff's alpha, 2011, section D."""
    coders = [
        "1 2 3 3 2 1 4 1 2 . . .",
        "1 2 3 3 2 2 4 1 2 5 . 3",
        ". 3 3 3 2 3 4 2 2 5 1 .",
        "1 2 3 3 2 4 4 1 2 5 1 .",
    ]
    values = [
        {unit: float(value) for unit, value in enumerate(row.split()) if value != "."}
        for row in coders
    ]
    assert alpha_of(values) == pytest.approx(0.849, abs=5e-4)


def test_full_agreement_is_one_and_two_that_oppose_each_other_are_below_chance() -> None:
    order = {0: 1.0, 1: 0.5, 2: 0.0}
    turned = {0: 0.0, 1: 0.5, 2: 1.0}
    assert alpha_of([order, order, order]) == 1.0
    opposed = alpha_of([order, turned])
    assert opposed is not None
    assert opposed < 0


@pytest.mark.parametrize(
    "values",
    [[], [{}], [{0: 1.0, 1: 0.0}], [{0: 1.0}, {1: 0.0}], [{0: 0.5, 1: 0.5}, {0: 0.5, 1: 0.5}]],
    ids=str,
)
def test_where_nothing_can_be_compared_there_is_no_alpha(values: list[dict[int, float]]) -> None:
    assert alpha_of(values) is None


@given(columns)
def test_alpha_never_exceeds_one_and_no_judge_is_the_first(values: list[dict[int, float]]) -> None:
    alpha = alpha_of(values)
    assert alpha is None or alpha <= 1.0
    assert alpha_of(values[::-1]) == alpha
