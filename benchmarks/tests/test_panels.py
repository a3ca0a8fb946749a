from collections.abc import Callable

import pytest

from benchmarks.panels import Share, compares, kappa_weights, right_share, scores, theory
from judges.transcript import Ballot

ROUNDS = 1_500


def is_near(measured: Share, expected: float) -> bool:
    low, high = measured.interval
    half = (high - low) / 2  # twice as wide: 95% would fail now and then
    return low - half <= expected <= high + half


@pytest.mark.parametrize("vote", [compares, scores])
@pytest.mark.parametrize("accuracies", [(0.7,), (0.8, 0.8, 0.8), (0.9, 0.7, 0.6, 0.5)], ids=str)
def test_judges_of_known_accuracy_recover_the_order_as_often_as_a_majority_would(
    accuracies: tuple[float, ...], vote: Callable[..., Ballot]
) -> None:
    for weights in ([1.0] * len(accuracies), kappa_weights(accuracies)):
        measured = right_share(accuracies, weights, seats=2, rounds=ROUNDS, vote=vote)
        assert is_near(measured, theory(accuracies, weights))


def test_weights_by_kappa_beat_equal_ones_where_judges_are_noise() -> None:
    accuracies = (0.8, 0.7, 0.5, 0.5)
    equal = right_share(accuracies, [1.0] * 4, rounds=ROUNDS)
    by_kappa = right_share(accuracies, kappa_weights(accuracies), rounds=ROUNDS)
    assert by_kappa.interval[0] > equal.interval[1]


def test_theory_of_equal_weights_is_the_binomial_one() -> None:
    assert theory((0.8,) * 3, (1.0,) * 3) == pytest.approx(0.8**3 + 3 * 0.8**2 * 0.2)
