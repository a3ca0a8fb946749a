"""What a turn of a practised episode is worth: the end of the episode, compared with its group's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.turns import Credit, OwnTry, credits_of
from training.methods.examples import group_advantages

LEGAL, MENDED_LATER, LOST = OwnTry(True, True), OwnTry(False, False), OwnTry(False, True)


def advantages(*episodes: tuple[list[OwnTry], float], discount: float) -> list[float]:
    """As the trainer computes them, of one group."""
    credits = [
        credit
        for tries, payoff in episodes
        for credit in credits_of(tries, payoff=payoff, discount=discount)
    ]
    centred = group_advantages([one.reward for one in credits])
    return [one.weight * value for one, value in zip(credits, centred, strict=True)]


def test_a_turn_is_discounted_once_for_each_later_turn_of_the_agent() -> None:
    credits = credits_of([LEGAL] * 3, payoff=1.0, discount=0.5)
    assert credits == [Credit(1.0, 0.25), Credit(1.0, 0.5), Credit(1.0, 1.0)]


def test_a_second_try_belongs_to_the_same_turn() -> None:
    credits = credits_of([LEGAL, MENDED_LATER, LEGAL], payoff=1.0, discount=0.5)
    assert [one.weight for one in credits] == [0.5, 1.0, 1.0]


def test_an_illegal_try_gets_the_lowest_reward_even_in_an_episode_that_was_won() -> None:
    credits = credits_of([MENDED_LATER, LOST, LEGAL], payoff=1.0, discount=0.9)
    assert [one.reward for one in credits] == [0.0, 0.0, 1.0]
    assert [one.weight for one in credits] == [1.0, 1.0, 1.0], "not softened by what came later"


def test_a_group_that_only_won_teaches_nothing_about_when() -> None:
    """A discount before the baseline would make the first moves of every won episode unlikelier."""
    assert advantages(([LEGAL] * 3, 1.0), ([LEGAL] * 3, 1.0), discount=0.5) == [0.0] * 6


@given(
    st.lists(st.tuples(st.integers(1, 9), st.floats(0, 1)), min_size=2, max_size=8),
    st.floats(0.1, 1.0),
)
def test_turns_that_end_better_than_the_roles_mean_gain_and_the_others_lose(
    episodes: list[tuple[int, float]], discount: float
) -> None:
    group = [([LEGAL] * turns, payoff) for turns, payoff in episodes]
    mean = sum(turns * payoff for turns, payoff in episodes) / sum(turns for turns, _ in episodes)
    found = iter(advantages(*group, discount=discount))
    for turns, payoff in episodes:
        for _ in range(turns):
            advantage = next(found)
            assert abs(advantage) <= abs(payoff - mean) + 1e-9
            assert advantage * (payoff - mean) >= -1e-9


@given(st.lists(st.tuples(st.integers(1, 9), st.floats(0, 1)), min_size=1, max_size=8))
def test_the_advantages_of_one_role_add_up_to_nothing(episodes: list[tuple[int, float]]) -> None:
    group = [([LEGAL] * turns, payoff) for turns, payoff in episodes]
    assert sum(advantages(*group, discount=1.0)) == pytest.approx(0.0, abs=1e-9)


@given(st.integers(1, 6), st.lists(st.floats(0, 1), min_size=2, max_size=8), st.floats(0.1, 1.0))
def test_with_a_discount_they_add_up_to_nothing_at_each_distance_from_the_end(
    turns: int, payoffs: list[float], discount: float
) -> None:
    found = advantages(*(([LEGAL] * turns, payoff) for payoff in payoffs), discount=discount)
    for turn in range(turns):
        assert sum(found[turn::turns]) == pytest.approx(0.0, abs=1e-9)
