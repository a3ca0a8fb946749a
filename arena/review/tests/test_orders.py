"""What counts as a changed order."""

import pytest

from arena.review.orders import Ranking, reversed_pairs


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([[0], [1]], [[1], [0]], [(1, 0)]),
        ([[0], [1]], [[0], [1]], []),
        ([[0], [1]], [[0, 1]], []),  # a tie that is made
        ([[0, 1]], [[1], [0]], []),  # or broken
        ([[0], [1], [2]], [[2], [0], [1]], [(2, 0), (2, 1)]),
        ([[0], [1]], [], []),
    ],
)
def test_only_pairs_that_stand_the_other_way_round_are_reversed(
    before: Ranking, after: Ranking, expected: list[tuple[int, int]]
) -> None:
    assert reversed_pairs(before, after) == expected
