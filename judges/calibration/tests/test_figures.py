"""Kappa, biases and trust of judges whose habits are known."""

from collections.abc import Callable
from random import Random

import pytest

from judges.calibration.figures import MIN_ITEMS, MIN_TRUST, calibration_of, kappa_of, trust_of
from judges.calibration.heard import Said, said_of

Habit = Callable[[Said], int | None]


def asked(habit: Habit, *, items: int = 60, longer: int = 0) -> list[Said]:
    """Every item in both orders; `longer` 1: the first answer of the first order is longer."""
    said = []
    for item in range(items):
        right = 1 if item % 2 else -1
        for turn in (1, -1):
            one = Said(item, right=right * turn, preferred=None, longer=longer * turn)
            said.append(Said(one.item_id, one.right, habit(one), longer=one.longer, own=one.longer))
    return said


@pytest.mark.parametrize(
    "habit",
    [
        pytest.param(lambda one: 1, id="always A"),
        pytest.param(lambda one: -1, id="always B"),
        pytest.param(lambda one: 0, id="always a tie"),
        pytest.param(lambda one: None, id="never readable"),
    ],
)
def test_a_judge_that_says_the_same_of_everything_has_no_agreement_and_is_under_the_floor(
    habit: Habit,
) -> None:
    kappa = kappa_of(asked(habit, items=MIN_ITEMS))
    assert kappa is not None
    assert kappa.value == 0
    assert kappa.is_under(0.4)
    assert trust_of(kappa) == MIN_TRUST


def test_a_judge_that_is_always_right_has_full_agreement_and_full_trust() -> None:
    kappa = kappa_of(asked(lambda one: one.right))
    assert kappa is not None
    assert kappa.value == pytest.approx(1)
    assert kappa.high == pytest.approx(1)
    assert 0.8 < kappa.low < 1
    assert trust_of(kappa) == 1


def test_kappa_of_a_noisy_judge_lies_in_its_interval_as_often_as_it_says() -> None:
    rng, inside = Random(3), 0
    for _ in range(200):
        right: dict[int, bool] = {}  # the same in both orders, so that items are the trials

        def noisy(one: Said, right: dict[int, bool] = right) -> int:
            is_right = right.setdefault(one.item_id, rng.random() < 0.8)
            return one.right if is_right else -one.right

        kappa = kappa_of(asked(noisy, items=60))
        assert kappa is not None
        inside += kappa.low <= 0.6 <= kappa.high
    assert inside / 200 > 0.91


def test_a_judge_that_is_right_four_times_in_five_is_hardly_ever_under_the_floor() -> None:
    rng, under = Random(4), 0
    for _ in range(300):
        wrong = {item for item in range(MIN_ITEMS) if rng.random() > 0.8}

        def noisy(one: Said, wrong: set[int] = wrong) -> int:
            return -one.right if one.item_id in wrong else one.right

        kappa = kappa_of(asked(noisy, items=MIN_ITEMS))
        assert kappa is not None
        under += kappa.is_under(0.4)
    assert under <= 3


def test_nothing_follows_from_few_items() -> None:
    kappa = kappa_of(asked(lambda one: -one.right, items=MIN_ITEMS - 1))
    assert kappa is not None
    assert not kappa.is_under(0.4)
    assert trust_of(kappa) == 1
    assert kappa_of([]) is None
    assert trust_of(None) == 1


def test_position_bias_is_that_of_a_judge_who_likes_the_first_answer() -> None:
    found = calibration_of(asked(lambda one: 1))
    assert found.position is not None
    assert found.position.value == pytest.approx(0.5)
    assert found.position.is_clear
    fair = calibration_of(asked(lambda one: one.right)).position
    assert fair is not None
    assert fair.value == 0
    assert not fair.is_clear


def test_length_bias_and_self_preference_are_those_beyond_what_is_right() -> None:
    likes_long = calibration_of(asked(lambda one: one.longer, longer=1))
    assert likes_long.length is not None
    assert likes_long.own_model is not None
    assert likes_long.length.value == likes_long.own_model.value == pytest.approx(0.5)
    fair = calibration_of(asked(lambda one: one.right, longer=1))
    assert fair.length is not None
    assert fair.length.value == 0
    assert calibration_of(asked(lambda one: one.right)).length is None, "all are equally long"


def test_what_could_not_be_said_is_a_miss_and_counted() -> None:
    half = calibration_of(asked(lambda one: one.right if one.item_id % 2 else None))
    assert half.unsaid_share == 0.5
    assert half.kappa is not None
    assert half.kappa.value < 0.5


def test_only_pairs_in_a_known_order_are_read_from_a_ballot() -> None:
    said = list(
        said_of(
            7,
            order=[[2], [0, 1]],
            scores={0: 0.1, 1: 0.9, 2: 0.5},
            comparisons=None,
            lengths={0: 100, 1: 95, 2: 10},
            own=frozenset({0}),
        )
    )
    assert [(one.right, one.preferred, one.longer, one.own) for one in said] == [
        (-1, -1, 1, 1),
        (-1, 1, 1, 0),
    ]


def test_a_judge_whose_two_orders_become_ties_still_shows_its_liking_for_the_first_answer() -> None:
    said = [
        one
        for item in range(30)
        for one in said_of(
            item,
            order=[[item % 2], [1 - item % 2]],
            scores={0: 0.5, 1: 0.5},
            comparisons={(0, 1): 0},
            lengths={0: 9, 1: 9},
            orders={(0, 1): 1, (1, 0): 1},
        )
    ]
    found = calibration_of(said)
    assert found.kappa is not None
    assert found.kappa.value == 0
    assert found.position is not None
    assert found.position.value == pytest.approx(0.5)
    assert found.position.is_clear
