"""What a talk costs."""

from hypothesis import given
from hypothesis import strategies as st

from arena.talks.price import TOKENS_A_UNIT, cover
from training.runs.charges import ANSWERS_A_UNIT

TOKENS = st.integers(0, 3 * TOKENS_A_UNIT)


def test_a_unit_is_what_practice_pays_for_as_many_of_the_longest_answers() -> None:
    assert TOKENS_A_UNIT == ANSWERS_A_UNIT * 256


@given(most=TOKENS, free=TOKENS, share=st.floats(0, 1))
def test_what_is_set_aside_and_held_always_pays_for_the_use(
    most: int, free: int, share: float
) -> None:
    used, covered = int(most * share), cover(most, free_tokens=free)
    units = covered.units_of(used)
    assert covered.set_aside_tokens <= free
    assert units <= covered.held_units
    left = free + units * TOKENS_A_UNIT - used
    assert 0 <= left < free + TOKENS_A_UNIT
    assert units == 0 or free - used < 0
