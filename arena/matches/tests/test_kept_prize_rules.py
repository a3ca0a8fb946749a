"""A match is paid by the rule in its first event, whatever its Space says by then."""

import uuid
from random import Random
from typing import Any

import pytest

from agents.errors import Refused
from arena.credits import ledger
from arena.matches import play, seating
from arena.matches.events import MatchSettled, decode
from arena.matches.match import fold
from arena.models import Entry, Match, MatchEvent, Seat, Space
from arena.queries import settlement_of
from arena.spaces.entering import enter_space
from arena.states import PrizeRule
from arena.tests.builders import enter, make_agent, make_match, make_space, make_user, play_round

pytestmark = pytest.mark.django_db(transaction=True)


def play_all(match: Match, scores: dict[int, float]) -> None:
    play.start_match(match.id)
    for number in range(1, match.round_count + 1):
        play_round(match, number, scores=scores)
    play.settle_match(match.id)


def prizes_of(match: Match) -> list[int]:
    return list(
        Seat.objects.filter(match=match).order_by("index").values_list("prize_credits", flat=True)
    )


@pytest.mark.parametrize(
    ("rule", "scores", "prizes", "rake", "reason"),
    [
        ("winner", {0: 0.9, 1: 0.3}, [18, 0], 2, "100% of the pot for rank 1"),
        ("places", {0: 0.9, 1: 0.3}, [13, 5], 2, "70% of the pot for rank 1"),
        ("score", {0: 0.9, 1: 0.3}, [14, 4], 2, "75.0% of all points"),
        (
            "duel",
            {0: 0.9, 1: 0.3},
            [19, 0],
            1,
            "the own fee, and what the loser paid without the rake",
        ),
        ("duel", {0: 0.5, 1: 0.5}, [10, 10], 0, "the own fee: nobody won it"),
        ("cooperative", {0: 0.5, 1: 0.5}, [10, 9], 1, "all are paid alike"),
    ],
)
def test_each_rule_pays_through_the_ledger_and_says_why(
    rule: str, scores: dict[int, float], prizes: list[int], rake: int, reason: str
) -> None:
    before = ledger.balance(ledger.fees_account()).available
    match = make_match(make_space(prize_rule=rule))
    play_all(match, scores)
    assert prizes_of(match) == prizes
    assert ledger.balance(ledger.fees_account()).available - before == rake
    settlement = settlement_of(match.id)
    assert settlement is not None
    assert settlement.prizes[0].detail == reason
    assert settlement.pool_credits == settlement.rake_credits + sum(
        line.amount_credits for line in settlement.prizes
    )
    assert ledger.audit().problems == ()


def test_a_match_keeps_its_rule_and_a_replay_of_its_events_pays_the_same() -> None:
    match = make_match(make_space(prize_rule=PrizeRule.DUEL))
    Space.objects.update(prize_rule=PrizeRule.COOPERATIVE, rake_percent=50, prize_percents=[0, 100])
    play_all(match, {0: 0.2, 1: 0.9})
    assert prizes_of(match) == [0, 19]
    *before, last = [decode(row.kind, row.payload) for row in MatchEvent.objects.order_by("seq")]
    replayed = fold(before)
    assert isinstance(last, MatchSettled)
    assert replayed is not None
    assert {str(seat): prize for seat, prize in replayed.payout().prizes.items()} == last.prizes
    assert replayed.payout().rake_credits == last.rake_credits == 1


def test_a_match_from_before_there_were_rules_is_paid_by_places() -> None:
    first = MatchEvent.objects.get(match=make_match(), seq=1)
    payload: dict[str, Any] = dict(first.payload)
    assert payload.pop("prize_rule") == "places"
    old = decode(first.kind, payload)
    assert old == decode(first.kind, first.payload)


def test_an_entry_keeps_the_rule_that_it_was_made_under() -> None:
    space = make_space(prize_rule="winner", house_fill_seconds=600)
    for _ in range(2):
        enter(make_agent(make_user(credits=100)), space)
        assert Entry.objects.latest("created_at").terms["prize_rule"] == "winner"
    Space.objects.update(prize_rule="places")
    (match_id,) = seating.seat_matches(space.id, rng=Random(1))
    match = Match.objects.get(id=match_id)
    play_all(match, {0: 0.9, 1: 0.2})
    assert prizes_of(match) == [18, 0]


def test_nobody_enters_under_another_rule_than_the_one_shown() -> None:
    space, agent = make_space(), make_agent(make_user(credits=100))
    shown = space.terms.stamp
    Space.objects.update(prize_rule="winner")
    with pytest.raises(Refused, match="now shares the pool in another way"):
        enter_space(
            agent.owner_id,
            agent_id=agent.pk,
            space_slug=space.slug,
            entry_id=uuid.uuid4(),
            agreed_terms=shown,
        )
    assert ledger.balance(ledger.account_of(agent.owner_id)).held == 0
