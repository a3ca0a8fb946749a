from itertools import combinations
from math import exp
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.ranking.bradley_terry import expected_shares

Compared = dict[tuple[int, int], tuple[float, float]]


@st.composite
def compared_pairs(draw: st.DrawFn) -> tuple[list[int], Compared]:
    """Some pairs of up to six seats, each with a weight of at most 1."""
    seats = list(range(draw(st.integers(1, 6))))
    found: Compared = {}
    for pair in combinations(seats, 2):
        points = draw(st.sampled_from([None, (0.3, 0.0), (0.35, 0.35), (0.2, 0.8), (0.0, 1.0)]))
        if points:
            found[pair] = points
    return seats, found


@given(compared_pairs(), st.randoms(use_true_random=False))
def test_it_converges_whatever_is_missing_and_renaming_seats_changes_nothing(
    drawn: tuple[list[int], Compared], random: Random
) -> None:
    seats, compared = drawn
    names = list(seats)
    random.shuffle(names)
    renamed: Compared = {}
    for (first, second), points in compared.items():
        one, two = names[first], names[second]
        renamed[min(one, two), max(one, two)] = points if one < two else points[::-1]
    shares = expected_shares(seats, compared, weight=1.0)
    assert all(0.0 <= share <= 1.0 for share in shares.values())
    again = expected_shares(names, renamed, weight=1.0)
    assert {names[seat]: share for seat, share in shares.items()} == again


def test_where_all_pairs_were_compared_alike_the_expected_share_is_the_share_that_was_won() -> None:
    rng = Random(1)
    won = {pair: rng.choice([0.0, 1.0, 2.5, 3.0]) for pair in combinations(range(5), 2)}
    compared = {pair: (points, 3.0 - points) for pair, points in won.items()}
    exact = expected_shares(range(5), compared, weight=3.0)
    # A weight that differs by next to nothing is enough to have it computed by iteration.
    compared[0, 1] = (won[0, 1] + 1e-6, 3.0 - won[0, 1])
    assert expected_shares(range(5), compared, weight=3.0) == pytest.approx(exact, abs=1e-5)


def test_a_seat_that_beat_a_strong_one_is_put_before_one_that_beat_a_weak_one() -> None:
    """Seats 0 and 3 have one comparison each, and both win it."""
    compared = {(1, 2): (1.0, 0.0), (0, 1): (1.0, 0.0), (2, 3): (0.0, 1.0)}
    shares = expected_shares(range(4), compared, weight=1.0)
    assert shares[0] > shares[3] > shares[2]


def test_strengths_that_made_the_comparisons_are_found_again() -> None:
    true = [1.5, 0.5, -0.5, -1.5]
    rng, asked = Random(7), 400.0
    compared = {}
    for first, second in combinations(range(4), 2):
        if (first, second) != (0, 3):  # nobody compared these two
            chance = 1 / (1 + exp(true[second] - true[first]))
            won = sum(rng.random() < chance for _ in range(int(asked)))
            compared[first, second] = float(won), asked - won
    shares = expected_shares(range(4), compared, weight=asked)
    expected = {
        seat: sum(1 / (1 + exp(other - true[seat])) for other in true) / 3 - 1 / 6
        for seat in range(4)
    }
    assert shares == pytest.approx(expected, abs=0.05)
