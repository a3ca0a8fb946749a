from random import Random

from hypothesis import given
from hypothesis import strategies as st

from arena.spaces.matchmaking import HouseAgent, Waiting, lineups

HOUSE = [HouseAgent(90, 25, True), HouseAgent(91, 25, False), HouseAgent(92, 30, False)]


def waiting(entry: int, *, user: int, mu: float = 25, seconds: float = 10) -> Waiting:
    return Waiting(f"entry-{entry:03}", user, 100 + entry, mu, seconds)


def make(queue: list[Waiting], *, seats: int = 3, house: list[HouseAgent] = HOUSE, fill: float = 5):
    return lineups(queue, seat_count=seats, house=house, house_fill_seconds=fill, rng=Random(1))


def test_a_newcomer_waits_for_people_before_the_house_fills_up() -> None:
    assert make([waiting(1, user=1, seconds=1)]) == []
    (lineup,) = make([waiting(1, user=1, seconds=6)])
    assert len(lineup.entries) == 1
    assert len(lineup.house) == 2


def test_the_house_sends_one_coded_agent_at_the_most() -> None:
    house = [HouseAgent(1, 25, True), HouseAgent(2, 25, True), *HOUSE[1:]]
    (lineup,) = make([waiting(1, user=1)], house=house)
    assert [each.plays_by_code for each in lineup.house] == [True, False]


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


def test_too_small_a_house_leaves_the_queue_waiting() -> None:
    assert make([waiting(1, user=1)], house=[]) == []


@given(st.lists(st.tuples(st.integers(1, 5), st.floats(0, 50), st.floats(0, 20)), max_size=12))
def test_every_match_is_full_and_no_entry_plays_twice(
    people: list[tuple[int, float, float]],
) -> None:
    queue = [
        waiting(index, user=user, mu=mu, seconds=seconds)
        for index, (user, mu, seconds) in enumerate(people)
    ]
    made = make(queue)
    entries = [entry.entry_id for lineup in made for entry in lineup.entries]
    assert len(entries) == len(set(entries))
    for lineup in made:
        assert len(lineup.entries) + len(lineup.house) == 3
        owners = [entry.user_id for entry in lineup.entries]
        assert len(owners) == len(set(owners))
