"""Rules of the simulation of farming."""

import pytest

from arena.config.env import Variables
from arena.models import Space
from arena.seeding.spaces import SPACES
from benchmarks.farming import ways
from benchmarks.farming.__main__ import MIN_SEEDS, Gain, gain_of, main, print_table, what_pays
from benchmarks.farming.site import (
    FEE_CREDITS,
    HOUSE,
    HOUSE_STAKE_CREDITS,
    PRIZE_PERCENTS,
    RAKE_PERCENT,
    ROUNDS,
    SEATS,
    Before,
    Now,
    Site,
)
from benchmarks.farming.ways import FARMS, HONEST

SILENT = next(farm for farm in FARMS if farm.way is ways.silent_alts)


def make_gain(all_credits: int = 0) -> Gain:
    return Gain(
        main_credits=0,
        all_credits=all_credits,
        topped_up_credits=0,
        best_floor=0.0,
        best_rank=1,
    )


def test_the_simulated_space_is_the_one_of_a_new_installation() -> None:
    space = next(each for each in SPACES if each["slug"] == "constraints")
    assert space["seat_count"] == SEATS
    assert space["round_count"] == ROUNDS
    assert space["entry_fee_credits"] == FEE_CREDITS
    assert space["prize_percents"] == list(PRIZE_PERCENTS)
    assert Variables.model_fields["house_stake"].default == HOUSE_STAKE_CREDITS
    assert Space._meta.get_field("rake_percent").default == RAKE_PERCENT


def test_the_same_seed_gives_the_same_gain_and_another_seed_another() -> None:
    first, again, other = (gain_with(seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def gain_with(seed: int) -> Gain:
    return gain_of(HONEST, matches=20, seed=seed)


def test_a_match_moves_credits_and_makes_none() -> None:
    site = Site(0, Before())
    matches = sum(each.match_count for each in site.agents) // SEATS
    rake = SEATS * FEE_CREDITS * RAKE_PERCENT // 100
    assert matches > 0
    assert site.gained.total() == -rake * matches
    assert -rake * matches < Site(0, Now()).gained.total() < 0, "some without the house's stake"


def test_now_a_seat_that_never_answers_is_refunded_and_neither_ranked_nor_rated() -> None:
    site = Site(0, Now())
    silent = site.new_agent(site.new_owner(), 0.0, answers=False)
    seats = (*site.house[:3], silent)
    before = [each.skill for each in seats]
    site.play_match(seats)
    assert silent.skill == before[3]
    assert site.gained[silent.owner_id] == 0
    assert all(each.skill != skill for each, skill in zip(seats[:3], before[:3], strict=True))


def test_a_quiet_farm_meets_only_its_own_accounts_and_the_house() -> None:
    site = Site(0, Now())
    before = {each.agent_id: each.match_count for each in site.others}
    house_before = sum(each.match_count for each in site.house)
    entering = next(ways.silent_alts(site))
    site.play(entering)
    assert [each.match_count for each in entering] == [1] * SEATS
    assert {each.agent_id: each.match_count for each in site.others} == before
    assert sum(each.match_count for each in site.house) == house_before


def test_accounts_of_a_farm_have_owners_of_their_own() -> None:
    site = Site(0, Now())
    owners = [each.owner_id for each in next(ways.fresh_accounts(site))]
    assert len(set(owners)) == len(owners)
    assert HOUSE not in owners


def test_a_way_pays_if_it_gains_more_than_chance_explains() -> None:
    honest = [make_gain(), make_gain(), make_gain()]
    clear = [make_gain(100), make_gain(101), make_gain(99)]
    luck = [make_gain(100), make_gain(-90), make_gain(5)]
    assert what_pays(clear, honest) == ["credits of all accounts"]
    assert what_pays(luck, honest) == []
    assert what_pays(honest, honest) == []
    losing = [make_gain(-50), make_gain(-51), make_gain(-49)]
    assert what_pays(honest, losing) == [], "nobody gains by not playing"


def test_too_few_seeds_are_refused() -> None:
    with pytest.raises(SystemExit):
        main(["--seeds", "2"])


@pytest.mark.slow
def test_alts_that_never_answer_paid_before_and_do_not_now() -> None:
    def pays(rules: type[Before]) -> list[str]:
        silent, honest = (
            [gain_of(farm, matches=60, seed=seed, rules=rules) for seed in range(MIN_SEEDS)]
            for farm in (SILENT, HONEST)
        )
        return what_pays(silent, honest)

    assert pays(Before) == ["best floor"]
    assert pays(Now) == []


@pytest.mark.slow
def test_no_way_of_farming_gains_more_than_honest_play() -> None:
    assert not print_table("now", Now, matches=40, seeds=MIN_SEEDS)
