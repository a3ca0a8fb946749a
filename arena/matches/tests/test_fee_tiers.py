"""Fees at which a Space can be entered: who meets whom, and the terms that an entry keeps."""

import uuid
from collections.abc import Iterator
from random import Random

import pytest
from django.apps.registry import Apps
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from agents.errors import Refused
from agents.models import Agent
from arena.credits import ledger
from arena.matches import play, seating
from arena.models import Entry, Match, RatingChange, Space, Transfer
from arena.queries import queue_state
from arena.tests.builders import (
    enter,
    make_agent,
    make_match,
    make_space,
    make_user,
    migrate,
    play_round,
)

pytestmark = pytest.mark.django_db(transaction=True)


def make_agents(count: int) -> list[Agent]:
    return [make_agent(make_user(credits=100)) for _ in range(count)]


def seat(space: Space) -> list[set[int]]:
    """The agents of each match that can be made now."""
    made = seating.seat_matches(space.id, rng=Random(1))
    return [set(Match.objects.get(id=each).seats.values_list("agent", flat=True)) for each in made]


def settle(match: Match, *, first: int) -> None:
    play.start_match(match.id)
    for number in range(1, match.round_count + 1):
        play_round(match, number, scores={first: 0.9, 1 - first: 0.2})
    play.settle_match(match.id)


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
    settle(match, first=0)
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
    settle(match, first=0)
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


def migrate_to_today() -> None:
    migrate(MigrationExecutor(connection).loader.graph.leaf_nodes())


@pytest.fixture
def before() -> Iterator[Apps]:
    """The models of the commit before there were tiers."""
    try:
        yield migrate([("arena", "0020_coded_seats")])
    finally:
        migrate_to_today()


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
