"""The rules by which a pool is shared: by example, and whatever the match."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena.credits.prizes import Payout, payout
from arena.credits.tests.test_prizes import rankings
from arena.states import PrizeRule

FOUR = {0: 10, 1: 10, 2: 10, 3: 10}


def shared(
    rule: PrizeRule,
    scores: dict[int, float],
    *,
    stakes: dict[int, int] = FOUR,
    rake_percent: int = 10,
) -> Payout:
    """The payout of seats of which those with the same score tie."""
    best_first = sorted({scores[seat] for seat in stakes}, reverse=True)
    return payout(
        rule,
        stakes=stakes,
        ranking=[[seat for seat in stakes if scores[seat] == each] for each in best_first],
        scores=scores,
        rake_percent=rake_percent,
        percents=(50, 30, 20),
    )


@pytest.mark.parametrize(
    ("rule", "prizes", "rake"),
    [
        (PrizeRule.WINNER, {0: 0, 1: 36, 2: 0, 3: 0}, 4),
        (PrizeRule.PLACES, {0: 10, 1: 19, 2: 7, 3: 0}, 4),
        (PrizeRule.SCORE, {0: 11, 1: 17, 2: 7, 3: 1}, 4),
        # Half is reached: the arena keeps a tenth of the other 20 credits.
        (PrizeRule.COOPERATIVE, {0: 10, 1: 10, 2: 9, 3: 9}, 2),
    ],
)
def test_each_rule_shares_a_pool_of_40_in_its_own_way(
    rule: PrizeRule, prizes: dict[int, int], rake: int
) -> None:
    assert shared(rule, {0: 0.6, 1: 0.9, 2: 0.4, 3: 0.1}) == Payout(prizes, rake)


def test_the_loser_of_a_duel_pays_the_winner_and_only_what_changes_hands_is_raked() -> None:
    stakes = {0: 10, 1: 10}
    assert shared(PrizeRule.DUEL, {0: 0.2, 1: 0.3}, stakes=stakes) == Payout({0: 0, 1: 19}, 1)
    assert shared(PrizeRule.DUEL, {0: 0.2, 1: 0.2}, stakes=stakes) == Payout({0: 10, 1: 10}, 0)


def test_a_duel_with_a_house_that_staked_nothing_moves_nothing() -> None:
    alone = shared(PrizeRule.DUEL, {0: 0.2, 1: 0.9}, stakes={0: 10})
    assert alone == Payout({0: 10}, 0)


def test_a_team_that_reaches_everything_pays_no_rake_and_one_that_reaches_nothing_all_of_it() -> (
    None
):
    everything, nothing = dict.fromkeys(FOUR, 1.0), dict.fromkeys(FOUR, 0.0)
    assert shared(PrizeRule.COOPERATIVE, everything) == Payout(FOUR, 0)
    assert shared(PrizeRule.COOPERATIVE, nothing) == Payout(dict.fromkeys(FOUR, 9), 4)


def test_without_any_points_a_pool_is_shared_evenly() -> None:
    none = shared(PrizeRule.SCORE, dict.fromkeys(FOUR, 0.0))
    assert none == Payout(dict.fromkeys(FOUR, 9), 4)


def test_a_free_match_pays_nothing_by_any_rule() -> None:
    for rule in PrizeRule:
        assert shared(rule, {0: 0.1, 1: 0.9}, stakes={}) == Payout({}, 0)


@dataclass(frozen=True)
class Finished:
    """What is known when a match is over; scores agree with the ranking."""

    stakes: Mapping[int, int]
    ranking: Sequence[Sequence[int]]
    scores: Mapping[int, float]
    rake_percent: int
    percents: Sequence[int]

    def paid_by(self, rule: PrizeRule) -> Payout:
        return payout(rule, **self.__dict__)


@st.composite
def matches(draw: st.DrawFn) -> Finished:
    """All seats stake the same, or nothing, as the house may."""
    everybody = draw(rankings())
    seats = sorted(seat for group in everybody for seat in group)
    scores = sorted(draw(st.lists(st.floats(0, 1), min_size=8, max_size=8)), reverse=True)
    without = draw(st.sets(st.sampled_from(seats)))
    fee = draw(st.integers(1, 10_000))
    ranking = [[seat for seat in group if seat not in without] for group in everybody]
    return Finished(
        stakes={seat: fee for seat in seats if seat not in without},
        ranking=[group for group in ranking if group],
        scores={
            seat: score for group, score in zip(everybody, scores, strict=False) for seat in group
        },
        rake_percent=draw(st.integers(0, 50)),
        percents=draw(st.sampled_from([(100,), (70, 30), (50, 30, 20), (0, 100)])),
    )


@given(st.sampled_from(PrizeRule), matches())
def test_every_rule_pays_out_the_stakes_to_the_last_credit(
    rule: PrizeRule, match: Finished
) -> None:
    result, pool = match.paid_by(rule), sum(match.stakes.values())
    assert sum(result.prizes.values()) + result.rake_credits == pool
    assert set(result.prizes) == set(match.stakes)
    assert all(prize >= 0 for prize in result.prizes.values())
    assert 0 <= result.rake_credits <= Fraction(pool * match.rake_percent, 100)


@given(st.sampled_from(PrizeRule), matches())
def test_who_ties_is_paid_alike_but_for_one_credit_and_always_the_same(
    rule: PrizeRule, match: Finished
) -> None:
    result = match.paid_by(rule)
    in_another_order = replace(
        match,
        stakes={seat: match.stakes[seat] for seat in reversed(list(match.stakes))},
        scores={seat: match.scores[seat] for seat in reversed(list(match.scores))},
        ranking=[list(reversed(group)) for group in match.ranking],
    )
    assert in_another_order.paid_by(rule) == result
    for group in match.ranking:
        paid = [result.prizes[seat] for seat in sorted(group)]
        assert max(paid) - min(paid) <= 1
        assert paid == sorted(paid, reverse=True), "the odd credit goes to the lower seat number"
