from hypothesis import given
from hypothesis import strategies as st

from arena.credits.stakes import HouseStake, house_stake


def test_owners_share_what_the_house_stakes_against_them() -> None:
    stake = house_stake(10, house_seats=2, used_credits=[0, 5], bound_credits=15)
    assert stake == HouseStake(fee_credits=10, share_credits=10)


def test_one_owner_at_the_bound_ends_the_stake() -> None:
    stake = house_stake(10, house_seats=2, used_credits=[0, 6], bound_credits=15)
    assert stake == HouseStake(0, 0)


@given(st.integers(0, 1000), st.lists(st.integers(1, 3), max_size=60), st.integers(0, 500))
def test_no_sequence_of_matches_passes_the_bound(fee: int, matches: list[int], bound: int) -> None:
    used = staked = 0
    for seats in matches:
        stake = house_stake(fee, house_seats=seats, used_credits=[used], bound_credits=bound)
        used += stake.share_credits
        staked += stake.fee_credits * seats
    assert staked <= used <= max(bound, 0)
