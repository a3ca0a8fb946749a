"""The prize rule of a Space in words and numbers."""

import pytest

from arena.models import Terms
from arena.queries.tiers import PrizeLine, fee_tier
from arena.seeding.spaces import SPACES
from arena.states import PrizeRule


def test_places_are_told_with_their_numbers() -> None:
    tier = fee_tier(10, seat_count=4, terms=Terms(10, PrizeRule.PLACES, (50, 30, 20)))
    assert tier.words == (
        "4 seats pay 10 credits each: 40. The arena keeps 4. First 19, second 10, third 7."
    )
    assert tier.lines == (
        PrizeLine("1st", 19, 19 / 40),
        PrizeLine("2nd", 10, 10 / 40),
        PrizeLine("3rd", 7, 7 / 40),
    )
    assert tier.most_credits == 19


@pytest.mark.parametrize(
    ("rule", "seats", "words", "amounts"),
    [
        (PrizeRule.WINNER, 4, "The winner gets 36, the others nothing.", [36]),
        (PrizeRule.SCORE, 4, "The other 36 are shared in proportion to the points", [15, 11, 7, 3]),
        (PrizeRule.DUEL, 2, "less 1 for the arena. A draw gives both their fees", [19, 0, 10]),
        (PrizeRule.COOPERATIVE, 4, "everything, 4 if they reach nothing.", [10, 9, 9, 9]),
    ],
)
def test_every_rule_is_told_with_its_numbers(
    rule: PrizeRule, seats: int, words: str, amounts: list[int]
) -> None:
    tier = fee_tier(10, seat_count=seats, terms=Terms(10, rule, (100,)))
    assert words in tier.words
    assert [line.amount_credits for line in tier.lines] == amounts
    assert all(0 <= line.share <= 1 for line in tier.lines)


def test_a_free_tier_has_no_prizes() -> None:
    for rule in PrizeRule:
        tier = fee_tier(0, seat_count=2, terms=Terms(10, rule, (100,)))
        assert (tier.words, tier.lines, tier.most_credits) == ("", (), 0)


def test_the_seeded_spaces_use_rules_that_fit_them() -> None:
    rules = {values["slug"]: PrizeRule(values.get("prize_rule", "places")) for values in SPACES}
    assert rules["public-goods"] is PrizeRule.COOPERATIVE
    assert rules["negotiation"] is PrizeRule.SCORE
    assert rules["constraints"] is PrizeRule.PLACES
    assert {v["seat_count"] for v in SPACES if rules[v["slug"]] is PrizeRule.DUEL} == {2}
