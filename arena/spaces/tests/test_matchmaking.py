from collections import Counter
from itertools import combinations
from math import inf
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from arena.spaces.house_skill import house_skill
from arena.spaces.matchmaking import (
    NARROWEST_GAP,
    WIDE_AFTER_SECONDS,
    HouseAgent,
    Lineup,
    Waiting,
    accepted_gap,
    lineups,
)
from arena.spaces.ratings import Skill

HOUSE = [HouseAgent(900, 25, True), HouseAgent(901, 25, False), HouseAgent(902, 30, False)]
KNOWN = 1.0  # the sigma of somebody well known


def waiting(entry: int, *, user: int, mu: float = 25, seconds: float = 10, **more: Any) -> Waiting:
    values: dict[str, Any] = {"fee_credits": 10, "skill": Skill(mu, KNOWN)} | more
    return Waiting(f"entry-{entry:03}", user, 100 + entry, waited_seconds=seconds, **values)


def make(queue: list[Waiting], *, seats: int = 3, house: list[HouseAgent] = HOUSE, fill: float = 5):
    return lineups(queue, seat_count=seats, house=house, house_fill_seconds=fill, rng=Random(1))


def people(made: list[Lineup]) -> list[list[int]]:
    return [sorted(each.user_id for each in lineup.entries) for lineup in made]


def test_a_newcomer_waits_for_people_before_the_house_fills_up() -> None:
    assert make([waiting(1, user=1, seconds=1)]) == []
    (lineup,) = make([waiting(1, user=1, seconds=6)])
    assert len(lineup.entries) == 1
    assert len(lineup.house) == 2


def test_the_house_sends_one_coded_agent_at_the_most() -> None:
    house = [HouseAgent(1, 25, True), HouseAgent(2, 25, True), *HOUSE[1:]]
    (lineup,) = make([waiting(1, user=1)], house=house)
    assert [each.plays_by_code for each in lineup.house] == [True, False]


def test_house_seats_go_to_the_nearest_strengths() -> None:
    """A newcomer meets no Master in a game for two, and at a table only the weakest of the coded."""
    shares = {1: 0.95, 2: 0.6, 3: 0.25, 4: 0.0, 5: 0.0, 6: 0.0, 7: 0.0}
    house = [HouseAgent(key, house_skill(share).mu, share > 0) for key, share in shares.items()]

    def met(mu: float, *, seats: int) -> set[int]:
        return {
            each.agent_id
            for seed in range(40)
            for lineup in lineups(
                [waiting(1, user=1, mu=mu)],
                seat_count=seats,
                house=house,
                house_fill_seconds=5,
                rng=Random(seed),
            )
            for each in lineup.house
        }

    assert met(25, seats=2) == {4, 5, 6, 7}
    assert met(25, seats=4) == {3, 4, 5, 6, 7}
    assert met(33, seats=2) == {2, 3}
    assert met(41, seats=2) == {1}


def test_nobody_plays_against_themselves_for_prizes() -> None:
    made = make([waiting(1, user=1), waiting(2, user=1), waiting(3, user=1)], seats=2)
    assert [len(lineup.entries) for lineup in made] == [1, 1, 1]


def test_the_nearest_rating_is_taken() -> None:
    queue = [
        waiting(1, user=1, mu=25, seconds=11),
        waiting(2, user=2, mu=40),
        waiting(3, user=3, mu=26),
    ]
    (lineup, *_) = make(queue, seats=2)
    assert [each.user_id for each in lineup.entries] == [1, 3]


def test_fees_are_never_mixed() -> None:
    queue = [waiting(number, user=number, fee_credits=10 * (number % 2)) for number in range(6)]
    assert people(make(queue, house=[])) == [[0, 2, 4], [1, 3, 5]]
    queue = [waiting(number, user=number, terms=number % 2) for number in range(6)]
    assert people(make(queue, house=[])) == [[0, 2, 4], [1, 3, 5]], "nor what was agreed"


def test_the_accepted_gap_widens_with_the_waiting_time() -> None:
    def pair(seconds: float) -> list[list[int]]:
        queue = [
            waiting(1, user=1, mu=10, seconds=seconds),
            waiting(2, user=2, mu=30, seconds=seconds),
        ]
        return people(make(queue, seats=2, house=[]))

    assert pair(1) == []
    assert pair(20) == [[1, 2]]
    gaps = [accepted_gap(KNOWN, waited_seconds=seconds) for seconds in (0, 1, 10, 59, 60)]
    assert gaps == sorted(set(gaps))
    assert (gaps[0], gaps[-1]) == (NARROWEST_GAP, inf)


def test_who_is_hardly_known_looks_within_that_uncertainty() -> None:
    newcomer = waiting(1, user=1, skill=Skill(), seconds=2)
    other = waiting(2, user=2, mu=33, seconds=1)
    assert people(make([newcomer, other], seats=2)) == [[1, 2]]
    assert make([waiting(1, user=1, seconds=2), other], seats=2) == []


def test_opponents_of_lately_are_avoided_while_others_are_there() -> None:
    first = waiting(1, user=1, seconds=20, met=frozenset({102}))
    queue = [first, waiting(2, user=2), waiting(3, user=3, mu=29)]
    assert people(make(queue, seats=2))[0] == [1, 3]
    # Nobody else is there: they play again, but only after waiting for somebody else.
    assert people(make(queue[:2], seats=2)) == [[1, 2]]
    soon = [waiting(1, user=1, seconds=1, met=frozenset({102})), waiting(2, user=2, seconds=1)]
    assert make(soon, seats=2) == []


def test_too_small_a_house_leaves_the_queue_waiting() -> None:
    assert make([waiting(1, user=1)], house=[]) == []


def test_one_that_cannot_be_seated_yet_holds_up_nobody_else() -> None:
    queue = [
        waiting(1, user=1, mu=90, seconds=30),
        waiting(2, user=2, mu=20, seconds=3),
        waiting(3, user=3, mu=22, seconds=3),
    ]
    assert people(make(queue, seats=2, house=[])) == [[2, 3]]


def test_ten_thousand_entries_are_paired_near_their_ratings() -> None:
    rng = Random(3)
    queue = [
        waiting(number, user=number // 3, mu=rng.gauss(25, 8), seconds=rng.uniform(0, 5))
        for number in range(10_000)
    ]
    made = make(queue, seats=2, house=[])
    gaps = [abs(a.skill.mu - b.skill.mu) for a, b in (lineup.entries for lineup in made)]
    assert len(made) > 4_950
    assert sum(gaps) / len(gaps) < 0.2


ENTRIES = st.lists(
    st.builds(
        lambda agent, mu, sigma, fee, seconds, met: (agent, Skill(mu, sigma), fee, seconds, met),
        st.integers(0, 12),
        st.floats(-50, 100),
        st.floats(0.1, 25 / 3),
        st.sampled_from([0, 10, 50]),
        st.floats(0, 90),
        st.frozensets(st.integers(0, 12), max_size=4),
    ),
    max_size=14,
)
OWNERS = 5


@given(
    ENTRIES, st.integers(2, 8), st.sampled_from([0.0, 5.0, 600.0]), st.sampled_from([0, 1, 3, 9])
)
def test_pairing_seats_nobody_twice_and_whoever_waits_long_enough(
    entries: list[tuple[Any, ...]], seats: int, fill: float, house_size: int
) -> None:
    queue = [
        Waiting(f"entry-{number:03}", agent % OWNERS, agent, skill, fee, seconds, met=met - {agent})
        for number, (agent, skill, fee, seconds, met) in enumerate(entries)
    ]
    house = [HouseAgent(900 + number, 20.0 + number, number == 0) for number in range(house_size)]
    made = make(queue, seats=seats, house=house, fill=fill)

    agents = Counter(each.agent_id for lineup in made for each in lineup.entries)
    assert not agents or max(agents.values()) == 1
    for lineup in made:
        assert len(lineup.entries) + len(lineup.house) == seats
        owners = [each.user_id for each in lineup.entries]
        assert len(owners) == len(set(owners))
        assert len({each.agent_id for each in lineup.house}) == len(lineup.house)
        assert len({each.fee_credits for each in lineup.entries}) == 1
        first = lineup.entries[0]
        gap = accepted_gap(first.skill.sigma, waited_seconds=first.waited_seconds)
        assert all(abs(each.skill.mu - first.skill.mu) <= gap for each in lineup.entries)
        if any(
            b.agent_id in a.met or a.agent_id in b.met for a, b in combinations(lineup.entries, 2)
        ):
            assert first.waited_seconds >= min(fill, WIDE_AFTER_SECONDS)

    # Of an agent that waits twice, the entry that has waited longest counts.
    ranked = sorted(queue, key=lambda each: (-each.waited_seconds, each.entry_id), reverse=True)
    left = {each.agent_id: each for each in ranked if each.agent_id not in agents}
    for one in left.values():
        if one.waited_seconds >= WIDE_AFTER_SECONDS:
            others = {each.user_id for each in left.values() if each.fee_credits == one.fee_credits}
            assert len(others) < seats  # too few people
            assert house_size < seats - 1 or one.waited_seconds < fill  # and no house
