"""Answer length is taken out of ratings where it counts, and only there."""

from math import exp
from random import Random

import pytest

from arena.spaces.lengths import (
    MAX_COMPARISONS,
    MIN_MATCHES,
    LengthEffect,
    LengthSeat,
    length_effect,
)

LONG, SHORT, STRONG = 1, 2, 3
MEAN_CHARS = {LONG: 400.0, SHORT: 100.0, STRONG: 200.0}


def fitted(preference: float, *, matches: int = 300) -> LengthEffect:
    """Duels of three agents; two are equal, the third is stronger. Judges add the preference."""
    rng = Random(7)
    played = []
    for _ in range(matches):
        one, other = rng.sample([LONG, SHORT, STRONG], 2)
        chars = {agent: MEAN_CHARS[agent] * rng.uniform(0.6, 1.6) for agent in (one, other)}
        longer = (chars[one] - chars[other]) / (chars[one] + chars[other])
        logit = preference * longer + (one == STRONG) - (other == STRONG)
        first_wins = rng.random() < 1 / (1 + exp(-logit))
        played.append(
            [
                LengthSeat(one, 1 if first_wins else 2, chars[one]),
                LengthSeat(other, 2 if first_wins else 1, chars[other]),
            ]
        )
    effect = length_effect(played)
    assert effect is not None
    return effect


def test_a_length_that_judges_prefer_is_found_and_taken_out() -> None:
    found = fitted(3.0)
    assert found.is_clear
    assert 1.5 < found.effect < 4.5
    assert found.share_of_longer > 0.6
    assert found.shifts[LONG] < -1 < 1 < found.shifts[SHORT]


def test_where_length_counts_nothing_ratings_hardly_move() -> None:
    found = fitted(0.0)
    assert not found.is_clear
    assert max(abs(shift) for shift in found.shifts.values()) < 2


def test_too_few_matches_tell_nothing_and_too_many_are_left_out() -> None:
    pair = [LengthSeat(LONG, 1, 10), LengthSeat(SHORT, 1, 0)]
    assert length_effect([pair] * (MIN_MATCHES - 1)) is None
    found = length_effect([pair] * (MAX_COMPARISONS + 100))
    assert found is not None
    assert found.match_count == MAX_COMPARISONS
    assert found.effect == pytest.approx(0, abs=1e-6), "ties prefer nobody"
