"""Ratings: openskill's without ties, the mean over strict orders with them."""

from collections.abc import Mapping, Sequence
from itertools import pairwise, permutations, product
from math import sqrt
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openskill.models import PlackettLuce

from arena.spaces.ratings import Skill, rank_bands, updated

Ranking = list[list[int]]

LIBRARY = PlackettLuce()
SMALL = 1e-9


def by_openskill(skills: Mapping[int, Skill], order: Sequence[int]) -> dict[int, Skill]:
    teams = [[LIBRARY.rating(mu=skills[seat].mu, sigma=skills[seat].sigma)] for seat in order]
    result = LIBRARY.rate(teams, ranks=[float(place) for place in range(len(order))])
    return {
        seat: Skill(team[0].mu, team[0].sigma) for seat, team in zip(order, result, strict=True)
    }


def floor(skill: Skill) -> float:
    """What the leaderboard sorts by."""
    return skill.low


skill_values = st.builds(Skill, mu=st.floats(0, 50), sigma=st.floats(0.7, 8.4))


@st.composite
def rankings(draw: st.DrawFn) -> Ranking:
    """An ordered partition of 2 to 8 seats."""
    seats = draw(st.permutations(range(draw(st.integers(2, 8)))))
    ends = sorted(draw(st.sets(st.integers(1, len(seats) - 1)))) if len(seats) > 1 else []
    return [list(seats[start:end]) for start, end in pairwise([0, *ends, len(seats)])]


@given(st.lists(skill_values, min_size=2, max_size=8), st.randoms(use_true_random=False))
def test_without_ties_ratings_are_those_of_openskill(skills: list[Skill], rng: Random) -> None:
    before = dict(enumerate(skills))
    order = rng.sample(list(before), len(before))
    after, expected = updated(before, [[seat] for seat in order]), by_openskill(before, order)
    for seat in before:
        assert after[seat].mu == pytest.approx(expected[seat].mu, abs=SMALL)
        assert after[seat].sigma == pytest.approx(expected[seat].sigma, abs=SMALL)


@pytest.mark.parametrize("ranking", [[[0, 1], [2], [3]], [[3], [1, 2, 0]], [[0, 2], [1, 3]]])
@given(skills=st.lists(skill_values, min_size=4, max_size=4))
def test_a_tie_counts_as_the_mean_over_its_strict_orders(
    ranking: Ranking, skills: list[Skill]
) -> None:
    before = dict(enumerate(skills))
    after = updated(before, ranking)
    orders = [
        [seat for group in groups for seat in group]
        for groups in product(*(permutations(group) for group in ranking))
    ]
    strict = [by_openskill(before, order) for order in orders]
    for seat in before:
        mean = sum(one[seat].mu for one in strict) / len(strict)
        variance = sum(one[seat].sigma ** 2 for one in strict) / len(strict)
        assert after[seat].mu == pytest.approx(mean, abs=SMALL)
        assert after[seat].sigma == pytest.approx(sqrt(variance), abs=SMALL)


def test_joint_winners_gain_more_than_the_third() -> None:
    before = {seat: Skill() for seat in range(8)}
    after = updated(before, [[0, 1], [2], [3], [4], [5], [6], [7]])
    assert after[0] == after[1]
    assert after[0].mu > after[2].mu
    assert floor(after[0]) > floor(after[2])


@given(rankings(), st.floats(0.7, 8.4))
def test_among_equals_a_better_place_earns_more(ranking: Ranking, sigma: float) -> None:
    after = updated({seat: Skill(25, sigma) for group in ranking for seat in group}, ranking)
    for better, worse in pairwise(ranking):
        for seat, other in product(better, worse):
            assert after[seat].mu > after[other].mu
            assert floor(after[seat]) > floor(after[other])


@given(rankings(), st.data())
def test_for_one_seat_a_better_place_never_earns_less(
    ranking: Ranking, data: st.DataObject
) -> None:
    before = {
        seat: data.draw(skill_values, label=f"seat {seat}") for group in ranking for seat in group
    }
    others = [kept for group in ranking if (kept := [seat for seat in group if seat != 0])]
    # Every place among the others, best first: before a group, then tied with it.
    places: list[Ranking] = []
    for index in range(len(others) + 1):
        places.append([*others[:index], [0], *others[index:]])
        if index < len(others):
            places.append([*others[:index], [*others[index], 0], *others[index + 1 :]])
    earned = [updated(before, place)[0] for place in places]
    for better, worse in pairwise(earned):
        assert better.mu >= worse.mu - SMALL
        assert floor(better) >= floor(worse) - SMALL


@given(st.lists(skill_values, max_size=40))
def test_agents_whose_intervals_overlap_share_a_rank_band(skills: list[Skill]) -> None:
    listed = sorted(skills, key=lambda skill: -skill.low)
    ranks = rank_bands(listed)
    assert ranks == [1 + sum(other.low > skill.high for other in skills) for skill in listed]
    for shown in range(len(listed)):
        assert rank_bands(listed[:shown]) == ranks[:shown], "those behind change nothing"


def test_the_winner_gains_what_shows_and_everybody_becomes_less_uncertain() -> None:
    before = {0: Skill(), 1: Skill(), 2: Skill()}
    after = updated(before, [[1], [0], [2]])
    assert after[1].mu > after[0].mu > after[2].mu
    assert all(after[seat].sigma < before[seat].sigma for seat in before)


def test_a_tie_between_equals_moves_no_mean() -> None:
    after = updated({0: Skill(), 1: Skill()}, [[0, 1]])
    assert abs(after[0].mu - after[1].mu) < SMALL
    assert after[0].mu == pytest.approx(25)


def test_beating_a_stronger_agent_pays_more_than_beating_a_weaker_one() -> None:
    strong, weak = Skill(mu=35, sigma=3), Skill(mu=15, sigma=3)
    over_strong = updated({0: Skill(sigma=3), 1: strong}, [[0], [1]])[0].mu
    over_weak = updated({0: Skill(sigma=3), 1: weak}, [[0], [1]])[0].mu
    assert over_strong > over_weak > 25


def test_a_newcomers_cautious_estimate_is_zero() -> None:
    newcomer = Skill()
    assert abs(newcomer.mu - 3 * newcomer.sigma) < SMALL
