"""Fees and prize rules of a Space: who meets whom, and the terms that entries and matches keep."""

import uuid
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from django.apps.registry import Apps

from agents.errors import Refused
from agents.models import Agent
from arena.config.tests.rewinding import migrate_to_today, rewound
from arena.credits import ledger
from arena.matches import play, seating
from arena.matches.events import MatchSettled, decode
from arena.matches.match import fold
from arena.models import Entry, Match, MatchEvent, RatingChange, Seat, Space, Transfer
from arena.queries import queue_state, settlement_of
from arena.spaces.entering import enter_space
from arena.states import PrizeRule
from arena.tests.builders import (
    enter,
    make_agent,
    make_match,
    make_space,
    make_user,
    play_round,
)

pytestmark = pytest.mark.django_db(transaction=True)


def make_agents(count: int) -> list[Agent]:
    return [make_agent(make_user(credits=100)) for _ in range(count)]


def seat(space: Space) -> list[set[int]]:
    """The agents of each match that can be made now."""
    made = seating.seat_matches(space.id, rng=Random(1))
    return [set(Match.objects.get(id=each).seats.values_list("agent", flat=True)) for each in made]


def available(agent: Agent) -> int:
    return ledger.balance(ledger.account_of(agent.owner_id)).available


def test_entries_of_different_fees_never_meet() -> None:
    space = make_space(other_fees_credits=[0, 50], house_fill_seconds=600)
    agents = make_agents(5)
    for agent, fee in zip(agents, (10, 50, 0, 10, 50), strict=True):
        enter(agent, space, fee=fee)
    assert seat(space) == [
        {agents[0].pk, agents[3].pk},
        {agents[1].pk, agents[4].pk},
    ]
    assert Entry.objects.get(agent=agents[2]).status == "queued"


def test_those_ahead_are_those_who_pay_the_same() -> None:
    space = make_space(house_fill_seconds=600, seat_count=3)
    agents = make_agents(3)
    *_, last = (enter(agent, space, fee=fee) for agent, fee in zip(agents, (0, 10, 0), strict=True))
    assert queue_state(last, viewer=agents[2].owner_id).ahead == 1


def test_the_house_stakes_the_fee_of_those_it_plays_with() -> None:
    space = make_space(other_fees_credits=[50])
    make_agent(make_user(is_house=True))
    before = ledger.balance(ledger.house_account()).available
    (agent,) = make_agents(1)
    enter(agent, space, fee=50)
    seat(space)
    match = Match.objects.get()
    assert [player.fee_credits for player in play.state_of(match).seating.players] == [50, 50]
    play.start_match(match.id)
    assert ledger.balance(ledger.house_account()).available == before - 50


def test_a_free_match_moves_no_credit_and_is_rated_in_full() -> None:
    space = make_space()
    agents = make_agents(2)
    for agent in agents:
        enter(agent, space, fee=0)
    before = Transfer.objects.count()
    seat(space)
    match = Match.objects.get()
    settle(match, {0: 0.9, 1: 0.2})
    assert Transfer.objects.count() == before
    assert [available(agent) for agent in agents] == [100, 100]
    assert [change.weight for change in RatingChange.objects.all()] == [1.0, 1.0]
    assert ledger.audit().problems == ()


def test_a_fee_that_the_space_does_not_have_is_refused() -> None:
    space = make_space(other_fees_credits=[0, 50])
    (agent,) = make_agents(1)
    with pytest.raises(Refused, match="now costs 0, 10 or 50 credits, not 20"):
        enter(agent, space, fee=20)
    assert available(agent) == 100


def test_entries_keep_the_terms_of_a_tier_that_vanishes_while_they_wait() -> None:
    space = make_space(other_fees_credits=[50], house_fill_seconds=600)
    early, late = make_agents(2), make_agents(2)
    enter(early[0], space, fee=50)
    Space.objects.update(other_fees_credits=[], rake_percent=50, prize_percents=[100])
    with pytest.raises(Refused, match="now costs 10 credits, not 50"):
        enter(early[1], space, fee=50)
    Space.objects.update(other_fees_credits=[50])
    enter(early[1], space, fee=50)
    assert seat(space) == [], "they pay the same, but agreed to other prizes"
    Space.objects.update(other_fees_credits=[], rake_percent=10, prize_percents=[70, 30])
    for agent in late:
        enter(agent, space)
    assert seat(space) == [{agent.pk for agent in late}]
    make_agent(make_user(is_house=True))
    Space.objects.update(house_fill_seconds=0)
    assert {len(agents) for agents in seat(space)} == {2}, "the house plays with each of them"
    match = Match.objects.get(seats__agent=early[0])
    settle(match, {0: 0.9, 1: 0.2})
    assert available(early[0]) == 100 - 50 + 63, "70 of the 90 percent of 100"
    assert ledger.audit().problems == ()


def test_entries_from_before_there_were_terms_are_played_by_the_spaces() -> None:
    match = make_match()
    assert all(entry.terms for entry in Entry.objects.all())
    space = make_space()
    (agent,) = make_agents(1)
    enter(agent, space)
    Entry.objects.filter(agent=agent).update(terms={})
    assert Entry.objects.get(agent=agent).terms_in(space) == space.terms
    assert play.state_of(match).seating.rake_percent == 10


@pytest.fixture
def before() -> Iterator[Apps]:
    """The models of the commit before there were tiers."""
    with rewound([("arena", "0020_coded_seats")]) as apps:
        yield apps


def test_the_migration_keeps_the_terms_of_those_who_wait(before: Apps) -> None:
    make = {
        name: before.get_model(name).objects.create
        for name in (
            "agents.User",
            "agents.BaseModel",
            "agents.Agent",
            "arena.Space",
            "arena.Entry",
        )
    }
    owner = make["agents.User"](username="quill", password="!")
    base = make["agents.BaseModel"](slug="tiny", served_name="tiny", name="Tiny")
    agent = make["agents.Agent"](owner=owner, name="Old", base_model=base)
    space = make["arena.Space"](
        slug="old",
        name="Old",
        summary="?",
        environment="constraints",
        base_model=base,
        panel=[],
        entry_fee_credits=10,
        rake_percent=7,
        prize_percents=[70, 30],
    )
    entry = make["arena.Entry"](
        id=uuid.uuid4(), space=space, agent=agent, user=owner, fee_credits=10
    )
    migrate_to_today()
    kept = Entry.objects.get(id=entry.pk).terms
    assert (kept["rake_percent"], kept["prize_percents"]) == (7, [70, 30])
    assert Space.objects.get().fees_credits == (0, 10)


def settle(match: Match, scores: dict[int, float]) -> None:
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
            "its own fee, and what the loser paid without the rake",
        ),
        ("duel", {0: 0.5, 1: 0.5}, [10, 10], 0, "its own fee: nobody won it"),
        ("cooperative", {0: 0.5, 1: 0.5}, [10, 9], 1, "all are paid alike"),
    ],
)
def test_each_rule_pays_through_the_ledger_and_says_why(
    rule: str, scores: dict[int, float], prizes: list[int], rake: int, reason: str
) -> None:
    before = ledger.balance(ledger.fees_account()).available
    match = make_match(make_space(prize_rule=rule))
    settle(match, scores)
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
    settle(match, {0: 0.2, 1: 0.9})
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
    settle(match, {0: 0.9, 1: 0.2})
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
