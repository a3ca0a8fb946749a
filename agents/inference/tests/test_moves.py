"""Moves as a tree of tokens, and the distribution from which one is drawn."""

from math import exp, fsum, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.inference.moves import MoveTree, draw, normalised

END = 2
ONE, ZERO, FIVE = 33, 32, 37
TREE = MoveTree({(ONE, END): "1", (ONE, ZERO, END): "10", (FIVE, END): "5"})

logprobs = st.dictionaries(
    st.integers(0, 50_000), st.floats(-60, 0, allow_nan=False), min_size=1, max_size=40
)


def test_only_what_goes_on_with_a_move_is_allowed() -> None:
    assert TREE.after([]) == (ONE, FIVE)
    assert TREE.after([FIVE]) == (END,)
    assert TREE.after([ONE]) == (END, ZERO), "a move may be the beginning of another"
    assert TREE.after([ONE, END]) == ()


@given(logprobs)
def test_probabilities_of_what_was_allowed_add_up_to_1(found: dict[int, float]) -> None:
    shares = normalised(found)
    assert fsum(exp(value) for value in shares.values()) == pytest.approx(1.0)
    one, other = next(iter(found)), max(found)
    assert shares[one] - shares[other] == pytest.approx(found[one] - found[other])


@pytest.mark.parametrize(("temperature", "shares"), [(1.0, (0.2, 0.8)), (0.5, (1 / 17, 16 / 17))])
def test_a_token_is_drawn_as_often_as_its_temperature_says(
    temperature: float, shares: tuple[float, float]
) -> None:
    found = {7: log(0.02), 9: log(0.08)}  # in ratio 1 : 4, and nothing else was allowed
    drawn = [draw(found, temperature=temperature, at=place / 1000) for place in range(1000)]
    assert [drawn.count(token) / 1000 for token in (7, 9)] == pytest.approx(shares, abs=0.002)


@given(logprobs, st.floats(0, 2), st.floats(0, 1, exclude_max=True))
def test_whatever_is_drawn_was_allowed(
    found: dict[int, float], temperature: float, at: float
) -> None:
    assert draw(found, temperature=temperature, at=at) in found
    assert found[draw(found, temperature=0.0, at=at)] == max(found.values())
