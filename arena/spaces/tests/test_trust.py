"""Whose results count how far in a rating, and where a new agent starts."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena.spaces.ratings import Skill, updated
from arena.spaces.trust import (
    MAX_MEETINGS,
    PROVEN_MATCHES,
    Entrant,
    rated,
    starting_skill,
    weight_of,
    widened,
)

MAIN = Entrant(owner_id=1, is_house=False, owner_matches=100, skill=Skill(30, 2))
RIVAL = Entrant(owner_id=2, is_house=False, owner_matches=100, skill=Skill(28, 2))
NEW = Entrant(owner_id=3, is_house=False, owner_matches=PROVEN_MATCHES - 1, skill=Skill())
HOUSE = Entrant(owner_id=9, is_house=True, owner_matches=0, skill=Skill(25, 1))

skills = st.builds(Skill, mu=st.floats(0, 50), sigma=st.floats(0.7, 8.3))


def met(times: int) -> dict[frozenset[int], int]:
    return {frozenset({1, 2}): times}


def test_strangers_and_the_house_count_in_full() -> None:
    entrants = {0: MAIN, 1: RIVAL, 2: HOUSE}
    after = rated(entrants, [[0], [1], [2]], meetings={})
    whole = updated({seat: one.skill for seat, one in entrants.items()}, [[0], [1], [2]])
    assert {seat: one.skill for seat, one in after.items()} == whole
    assert {one.weight for one in after.values()} == {1.0}


@given(st.integers(0, 60))
def test_the_same_opponent_again_counts_less_each_time(times: int) -> None:
    gained, less = (
        rated({0: MAIN, 1: RIVAL}, [[0], [1]], meetings=met(count))[0].skill.mu - MAIN.skill.mu
        for count in (times, times + 1)
    )
    assert gained > 0
    assert less < gained if times < MAX_MEETINGS else less == gained


def test_what_the_house_tells_counts_in_full_beside_a_familiar_opponent() -> None:
    entrants = {0: MAIN, 1: RIVAL, 2: HOUSE}
    after = rated(entrants, [[0], [2], [1]], meetings=met(MAX_MEETINGS))[0]
    alone = updated({0: MAIN.skill, 2: HOUSE.skill}, [[0], [2]])[0]
    assert after.weight == pytest.approx(weight_of(MAIN, RIVAL, meetings=MAX_MEETINGS))
    assert after.skill.mu == pytest.approx(alone.mu, abs=0.05)


def test_a_new_owner_feeds_no_established_one_but_is_measured_by_everybody() -> None:
    after = rated({0: MAIN, 1: NEW}, [[0], [1]], meetings={})
    assert after[0].skill == MAIN.skill, "nothing was learned about it"
    assert after[0].weight == 0
    assert after[1].weight == 1
    assert after[1].skill.mu < NEW.skill.mu
    proven = replace(NEW, owner_matches=PROVEN_MATCHES)
    assert rated({0: MAIN, 1: proven}, [[0], [1]], meetings={})[0].skill.mu > MAIN.skill.mu
    beginners = {0: replace(MAIN, owner_matches=0), 1: NEW}
    assert rated(beginners, [[0], [1]], meetings={})[0].weight == 1


@pytest.mark.parametrize("times", [1, MAX_MEETINGS])
def test_a_new_owner_tells_nothing_beside_a_familiar_opponent_either(times: int) -> None:
    ranking = [[0], [1], [2], [3]]
    familiar = rated({0: MAIN, 1: RIVAL}, ranking[:2], meetings=met(times))
    with_new = rated({0: MAIN, 1: RIVAL, 2: NEW, 3: NEW}, ranking, meetings=met(times))
    for seat in (0, 1):
        assert with_new[seat].skill.mu == pytest.approx(familiar[seat].skill.mu)
        assert with_new[seat].skill.sigma == pytest.approx(familiar[seat].skill.sigma)
    assert with_new[1].skill.mu < RIVAL.skill.mu, "it lost the only comparison that counts"


def test_with_one_weight_a_rating_lies_between_those_with_and_without_the_opponent() -> None:
    entrants = {0: MAIN, 1: RIVAL, 2: HOUSE}
    ranking = [[1], [0], [2]]
    weight = weight_of(MAIN, RIVAL, meetings=3)
    after = rated(entrants, ranking, meetings=met(3))[0]
    whole = updated({seat: one.skill for seat, one in entrants.items()}, ranking)[0]
    without = updated({0: MAIN.skill, 2: HOUSE.skill}, [[0], [2]])[0]
    variance = weight * whole.sigma**2 + (1 - weight) * without.sigma**2
    assert after.skill.mu == pytest.approx(weight * whole.mu + (1 - weight) * without.mu)
    assert after.skill.sigma**2 == pytest.approx(variance)
    assert after.weight == weight


def test_each_of_two_familiar_opponents_counts_by_its_own_weight() -> None:
    other = replace(RIVAL, owner_id=4)
    entrants = {0: MAIN, 1: RIVAL, 2: other}
    often = {frozenset({1, 2}): MAX_MEETINGS, frozenset({1, 4}): 1}
    change = [
        rated(entrants, ranking, meetings=often)[0].skill.mu - MAIN.skill.mu
        for ranking in ([[2], [0], [1]], [[1], [0], [2]])
    ]
    assert change[0] < 0 < change[1], "the one that is met less often decides"


@given(skills, skills, st.integers(0, 30))
def test_a_better_place_never_earns_less_whatever_the_weight(
    own: Skill, other: Skill, times: int
) -> None:
    entrants = {0: replace(MAIN, skill=own), 1: replace(RIVAL, skill=other), 2: HOUSE}
    earned = [
        rated(entrants, ranking, meetings=met(times))[0].skill
        for ranking in ([[0], [1], [2]], [[1], [0, 2]], [[1], [2], [0]])
    ]
    assert earned[0].mu >= earned[1].mu - 1e-9
    assert earned[1].mu >= earned[2].mu - 1e-9


@given(skills)
def test_a_new_version_keeps_the_mean_and_is_no_wider_than_a_newcomer(own: Skill) -> None:
    version = widened(own)
    assert version.mu == own.mu
    assert min(own.sigma, Skill().sigma) <= version.sigma <= Skill().sigma


def test_a_new_version_that_is_better_is_recognised_in_fewer_matches() -> None:
    parent = Skill(25, 1)
    rival = Skill(30, 1)
    kept, fresh = parent, widened(parent)
    for _ in range(5):
        kept = updated({0: kept, 1: rival}, [[0], [1]])[0]
        fresh = updated({0: fresh, 1: rival}, [[0], [1]])[0]
    assert fresh.mu - parent.mu > 2 * (kept.mu - parent.mu)


def test_a_new_agent_starts_from_its_owners_record_with_more_doubt() -> None:
    assert starting_skill([]) == Skill()
    strong = starting_skill([Skill(35, 1.0), Skill(20, 6.0)])
    assert 34 < strong.mu < 35, "what is well known counts most"
    assert strong.sigma > 6.0
    weak = starting_skill([Skill(10, 1.0)] * 5)
    assert weak.mu == pytest.approx(10)
    assert 1.0 < weak.sigma < Skill().sigma


@given(st.lists(skills, min_size=1, max_size=30))
def test_a_start_is_wider_than_the_record_and_no_wider_than_a_newcomers(
    record: list[Skill],
) -> None:
    start = starting_skill(record)
    lowest, highest = min(one.mu for one in record), max(one.mu for one in record)
    assert lowest - 1e-6 <= start.mu <= highest + 1e-6
    assert min(Skill().sigma, max(one.sigma for one in record)) <= start.sigma <= Skill().sigma
