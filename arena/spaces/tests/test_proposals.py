"""How hard tasks are: a distribution that follows the field and starves nothing."""

from itertools import accumulate, pairwise
from math import exp
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena.spaces.proposals import (
    HALF_LIFE_ANSWERS,
    POOLS,
    RATING_SCALE,
    GradedAnswer,
    Tally,
    difficulty_weights,
    mean_rating,
    noted,
    pools,
    solve_rates,
)
from arena.spaces.ratings import Skill

MUS = st.floats(-50, 100)


@st.composite
def tallies(draw: st.DrawFn) -> list[Tally]:
    made = []
    for _ in range(draw(st.integers(2, 12))):
        asked = draw(st.floats(0, 5000))
        solved = asked * draw(st.floats(0, 1))
        made.append(Tally(asked, solved, asked * draw(st.floats(0, 60))))
    return made


def mean_difficulty(weights: tuple[float, ...]) -> float:
    return sum(difficulty * weight for difficulty, weight in enumerate(weights))


@given(tallies(), MUS)
def test_weights_are_a_distribution(rows: list[Tally], mu: float) -> None:
    weights = difficulty_weights(rows, mu)
    assert len(weights) == len(rows)
    assert all(0 <= weight <= 1 for weight in weights)
    assert sum(weights) == pytest.approx(1, abs=1e-5)


@given(tallies(), MUS)
def test_no_pool_is_ever_starved(rows: list[Tally], mu: float) -> None:
    shares = [sum(pool) for pool in pools(rows, mu)]
    assert shares == pytest.approx([share for _, share in POOLS])


@given(tallies(), MUS, st.floats(0, 60))
def test_a_stronger_field_never_gets_easier_tasks(
    rows: list[Tally], mu: float, more: float
) -> None:
    """Not only in the mean: of every level, at least as many tasks are harder."""
    weak = accumulate(difficulty_weights(rows, mu))
    strong = accumulate(difficulty_weights(rows, mu + more))
    assert all(after <= before + 1e-5 for before, after in zip(weak, strong, strict=True))


@given(tallies(), MUS)
def test_what_is_harder_is_not_expected_to_be_solved_more_often(
    rows: list[Tally], mu: float
) -> None:
    rates = solve_rates(rows, mu)
    assert all(0 <= rate <= 1 for rate in rates)
    assert all(harder <= easier for easier, harder in pairwise(rates))


def test_before_any_answer_every_difficulty_is_asked_alike() -> None:
    assert difficulty_weights([Tally()] * 4, Skill().mu) == (0.25,) * 4
    assert solve_rates([Tally()] * 2, Skill().mu) == pytest.approx((0.5, 0.5))


def test_one_difficulty_gets_everything() -> None:
    assert difficulty_weights([Tally(9, 1, 225)], 25.0) == (1.0,)


def test_a_difficulty_that_was_hardly_asked_borrows_from_its_neighbours() -> None:
    """Nobody solves level 2, so an untried level 3 is no frontier."""
    rows = [Tally(100, 90, 2500), Tally(100, 2, 2500), Tally()]
    rates = solve_rates(rows, 25.0)
    assert rates[2] == rates[1] < 0.1


@given(tallies(), st.integers(0, 11), st.floats(0, 60), st.integers(1, 50))
def test_answers_are_counted_and_older_ones_fade(
    rows: list[Tally], difficulty: int, mu: float, count: int
) -> None:
    difficulty %= len(rows)
    after = noted(rows, [GradedAnswer(difficulty, mu, solved=1.0)] * count)
    kept = 0.5 ** (count / HALF_LIFE_ANSWERS)
    for index, (old, new) in enumerate(zip(rows, after, strict=True)):
        added = count if index == difficulty else 0
        assert new.asked == pytest.approx(old.asked * kept + added)
        assert new.solved == pytest.approx(old.solved * kept + added)
        assert new.rating_sum == pytest.approx(old.rating_sum * kept + added * mu)
        assert 0 <= new.solved <= new.asked * (1 + 1e-9)


def played(
    rows: tuple[Tally, ...], ability: float, matches: int, rng: Random
) -> tuple[tuple[Tally, ...], list[float]]:
    """Matches of a field that solves level d with log-odds ability - 2 d; and each task's odds."""
    met = []
    for _ in range(matches):
        weights = difficulty_weights(rows, 25.0)
        answers = []
        for _ in range(6):
            level = rng.choices(range(len(rows)), weights)[0]
            rate = 1 / (1 + exp(2 * level - ability))
            met.append(rate)
            answers += [GradedAnswer(level, 25.0, rng.random() < rate) for _ in range(4)]
        rows = noted(rows, answers)
    return rows, met


def test_difficulty_follows_the_field_that_learns() -> None:
    rng = Random(1)
    rows, _ = played((Tally(),) * 6, 2.0, 60, rng)
    weak = difficulty_weights(rows, 25.0)
    assert weak.index(max(weak)) == 1  # solved half of the time
    rows, _ = played(rows, 6.0, 30, rng)
    rows, met = played(rows, 6.0, 60, rng)
    strong = difficulty_weights(rows, 25.0)
    assert strong.index(max(strong)) == 3
    assert mean_difficulty(strong) > mean_difficulty(weak) + 1
    assert sum(0.1 < rate < 0.9 for rate in met) / len(met) > 0.8


def test_a_seated_field_above_the_others_gets_what_it_solves_half_of_the_time() -> None:
    rng = Random(2)
    rows, _ = played((Tally(),) * 6, 2.0, 60, rng)
    better = 25.0 + 4 * RATING_SCALE / 2  # their log-odds are 2 higher: one level
    assert solve_rates(rows, 25.0)[1] == pytest.approx(0.5, abs=0.15)
    assert solve_rates(rows, better)[2] == pytest.approx(0.5, abs=0.15)
    harder = mean_difficulty(difficulty_weights(rows, better))
    assert harder > mean_difficulty(difficulty_weights(rows, 25.0)) + 1
    assert mean_rating(rows) == pytest.approx(25.0)
