"""Who is ranked, paid and rated at the end of a match, and who only gets the fee back."""

from collections.abc import Sequence
from functools import partial
from random import Random
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from agents import roster
from agents.errors import NotAvailable
from agents.models import Agent
from arena.credits import ledger
from arena.matches import play, seating
from arena.models import Entry, Match, OverallRating, Rating, RatingChange, Space
from arena.models.ratings import PROVISIONAL_MATCHES
from arena.queries import (
    agent_record,
    leaderboard,
    overall_leaderboard,
    owner_results,
    settlement_of,
)
from arena.spaces.ratings import Skill
from arena.spaces.trust import CALIBRATION_MATCHES, MEETINGS_WINDOW, PROVEN_MATCHES, widened
from arena.states import MatchStatus
from arena.tests.builders import (
    SAMPLING,
    at_once,
    enter,
    make_agent,
    make_match,
    make_space,
    make_user,
    play_round,
)

pytestmark = pytest.mark.django_db(transaction=True)


def available(user_id: int) -> int:
    return ledger.balance(ledger.account_of(user_id)).available


def test_a_seat_that_never_answers_is_refunded_and_neither_ranked_paid_nor_rated() -> None:
    match = make_match(make_space(seat_count=3))
    play.start_match(match.id)
    for number in (1, 2):
        scores = {0: 0.2, 1: 0.9, 2: 0.0}
        play_round(match, number, scores=scores, texts={2: " \u200b…"})
    play.settle_match(match.id)
    seats = list(match.seats.select_related("agent").order_by("index"))
    assert [(seat.rank, seat.prize_credits) for seat in seats] == [(2, 5), (1, 13), (None, 0)]
    assert [available(seat.agent.owner_id) for seat in seats] == [95, 103, 100]
    assert RatingChange.objects.count() == 2
    assert not Rating.objects.filter(agent=seats[2].agent).exists()
    assert ledger.audit().problems == ()


def test_a_match_in_which_fewer_than_two_answer_is_refunded() -> None:
    match = make_match()
    play.start_match(match.id)
    for number in (1, 2):
        play_round(match, number, scores={0: 0.2, 1: 0.9}, texts={1: ""})
    play.settle_match(match.id)
    match.refresh_from_db()
    assert match.status == MatchStatus.CANCELLED
    assert "Fewer than two agents answered" in play.state_of(match).cancel_reason
    assert {available(seat.agent.owner_id) for seat in match.seats.all()} == {100}
    assert not RatingChange.objects.exists()
    assert ledger.audit().problems == ()


def settled(space: Space, agents: Sequence[Agent]) -> Match:
    """A settled match in which the first agent wins, the second comes second, and so on."""
    for agent in agents:
        enter(agent, space)
    (match_id,) = seating.seat_matches(space.id, rng=Random(1))
    match = Match.objects.get(id=match_id)
    places = dict(match.seats.values_list("index", "agent"))
    order = [agent.pk for agent in agents]
    scores = {
        seat: 1 - 0.1 * (order.index(agent) if agent in order else len(order))
        for seat, agent in places.items()
    }
    play.start_match(match.id)
    for number in range(1, match.round_count + 1):
        play_round(match, number, scores=scores)
    play.settle_match(match.id)
    return match


def use_version(agent: Agent, version_id: int) -> None:
    with transaction.atomic():
        roster.activate_version(agent.owner_id, agent_id=agent.pk, version_id=version_id)


def test_an_opponent_who_is_met_again_and_again_counts_less() -> None:
    space = make_space(round_count=1)
    agents = [make_agent(make_user(credits=500)) for _ in range(2)]
    for _ in range(3):
        settled(space, agents)
    weights = RatingChange.objects.filter(seat__agent=agents[0]).order_by("id")
    first, second, third = weights.values_list("weight", flat=True)
    assert first == 1
    assert 1 > second > third > 0


def test_meetings_of_long_ago_or_in_another_space_do_not_count() -> None:
    space = make_space(round_count=1)
    agents = [make_agent(make_user(credits=500)) for _ in range(2)]
    long_ago = settled(space, agents)
    Match.objects.filter(pk=long_ago.pk).update(created_at=timezone.now() - MEETINGS_WINDOW)
    settled(make_space(round_count=1), agents)
    change = RatingChange.objects.get(seat__match=settled(space, agents), seat__agent=agents[0])
    assert change.weight == 1


def test_a_new_owner_does_not_feed_an_established_one() -> None:
    space = make_space(round_count=1)
    main, alt = (make_agent(make_user(credits=100)) for _ in range(2))
    Rating.objects.create(agent=main, space=space, mu=30, sigma=2, match_count=PROVEN_MATCHES)
    settled(space, [main, alt])
    rating = Rating.objects.get(agent=main)
    assert (rating.mu, rating.sigma) == (30, 2)
    assert Rating.objects.get(agent=alt).mu < Skill().mu, "the new one is measured by all"


def test_a_new_agent_of_an_owner_starts_where_the_retired_ones_ended() -> None:
    space = make_space(round_count=1)
    owner = make_user(credits=100)
    retired, again = make_agent(owner), make_agent(owner)
    Rating.objects.create(agent=retired, space=space, mu=12, sigma=2, match_count=30)
    roster.retire_agent(owner.pk, agent_id=retired.pk)
    settled(space, [again, make_agent(make_user(credits=100))])
    change = RatingChange.objects.get(seat__agent=again)
    assert change.mu_before == pytest.approx(12)
    assert 2 < change.sigma_before < Skill().sigma


def test_a_new_version_starts_at_its_parents_rating_with_more_uncertainty_and_so_does_a_rollback() -> (
    None
):
    space = make_space(round_count=1)
    agent, other = (make_agent(make_user(credits=500)) for _ in range(2))
    first = agent.current_version
    assert first is not None
    Rating.objects.create(agent=agent, space=space, mu=30, sigma=1, match_count=40, version=first)
    Rating.objects.create(agent=other, space=space, mu=30, sigma=1, match_count=40)
    second = roster.edit_agent(
        agent.owner_id, agent_id=agent.pk, prompt="Another.", sampling=SAMPLING
    )
    (record,) = agent_record(agent.pk).spaces
    assert record.next_sigma == widened(Skill(30, 1)).sigma
    settled(space, [agent, other])
    use_version(agent, first.pk)
    settled(space, [agent, other])
    settled(space, [agent, other])
    edited, rolled_back, again = RatingChange.objects.filter(seat__agent=agent).order_by("id")
    assert (edited.mu_before, edited.sigma_before) == (30, 1)
    assert edited.widened_sigma == widened(Skill(30, 1)).sigma
    assert edited.sigma_after > 1.5, "the match alone would have told more"
    assert rolled_back.mu_before == edited.mu_after
    assert rolled_back.widened_sigma is not None
    assert rolled_back.widened_sigma > rolled_back.sigma_before == edited.sigma_after
    assert again.widened_sigma is None
    assert Rating.objects.get(agent=agent).version_id == first.pk != second.pk
    assert agent_record(agent.pk).spaces[0].next_sigma is None


def test_a_references_rating_stays_and_measures_the_others() -> None:
    space = make_space(round_count=1)
    house, person = make_agent(make_user(is_house=True)), make_agent(make_user(credits=500))
    house.is_reference = True
    house.save()
    Rating.objects.create(
        agent=house, space=space, mu=30, sigma=1, match_count=CALIBRATION_MATCHES - 1
    )
    settled(space, [person])
    calibrated = Rating.objects.get(agent=house)
    assert calibrated.mu < 30
    assert not agent_record(person.pk).spaces[0].is_fixed
    settled(space, [person])
    fixed = Rating.objects.get(agent=house)
    assert (fixed.mu, fixed.sigma) == (calibrated.mu, calibrated.sigma)
    assert fixed.match_count == CALIBRATION_MATCHES + 1
    assert agent_record(house.pk).spaces[0].is_fixed
    gained = RatingChange.objects.filter(seat__agent=person).order_by("id")[1]
    assert gained.mu_after > gained.mu_before


def test_an_agent_has_one_rating_over_all_spaces_beside_those_of_each() -> None:
    spaces = [make_space(round_count=1) for _ in range(2)]
    agent, other = (make_agent(make_user(credits=500)) for _ in range(2))
    for space in spaces:
        settled(space, [agent, other])
    here = [Rating.objects.get(agent=agent, space=space) for space in spaces]
    overall = OverallRating.objects.get(agent=agent)
    assert [(row.match_count, row.win_count) for row in (*here, overall)] == [
        (1, 1),
        (1, 1),
        (2, 2),
    ]
    assert overall.mu > here[0].mu == here[1].mu, "both matches count"
    assert overall.sigma < here[0].sigma
    changes = list(RatingChange.objects.filter(seat__agent=agent).order_by("id"))
    assert [one.overall_mu_before for one in changes] == [25, changes[0].overall_mu_after]
    assert changes[1].overall_mu_after == overall.mu
    first, second = overall_leaderboard()
    assert [first.competitor.agent_id, second.competitor.agent_id] == [agent.pk, other.pk]
    record = agent_record(agent.pk).overall
    assert record is not None
    assert (record.mu, record.match_count) == (overall.mu, 2)


def test_the_house_stakes_only_so_much_a_day_for_one_owner(settings: Any) -> None:
    settings.ENV = settings.ENV.model_copy(update={"house_stake": 20})
    space = make_space(round_count=1, rake_percent=10)
    for _ in range(space.seat_count - 1):
        make_agent(make_user(is_house=True))
    agent = make_agent(make_user(credits=100))
    before = ledger.balance(ledger.house_account()).available
    won = [settled(space, [agent]).seats.get(agent=agent).prize_credits for _ in range(3)]
    assert won == [13, 13, 9], "the third is played for its own fee, less the arena's share"
    assert ledger.balance(ledger.house_account()).available == before - 2 * (10 - 5)
    assert Entry.objects.filter(house_stake_credits=10).count() == 2
    assert ledger.audit().problems == ()
    Match.objects.update(created_at="2020-01-01T00:00:00Z")
    assert settled(space, [agent]).seats.get(agent=agent).prize_credits == 13, "another day"


def test_a_house_that_staked_nothing_takes_no_prize_though_it_wins(settings: Any) -> None:
    settings.ENV = settings.ENV.model_copy(update={"house_stake": 0})
    space = make_space(round_count=1)
    make_agent(make_user(is_house=True))
    agent = make_agent(make_user(credits=100))
    enter(agent, space)
    (match_id,) = seating.seat_matches(space.id, rng=Random(1))
    match = Match.objects.get(id=match_id)
    play.start_match(match.id)
    house = match.seats.exclude(agent=agent).get().index
    play_round(match, 1, scores={house: 1.0, 1 - house: 0.2})
    play.settle_match(match.id)
    assert dict(match.seats.values_list("index", "prize_credits")) == {house: 0, 1 - house: 9}
    assert match.seats.get(index=house).rank == 1
    result = settlement_of(match.id)
    assert result is not None
    assert (result.pool_credits, result.rake_credits) == (10, 1)
    assert [line.amount_credits for line in result.prizes] == [9]
    assert ledger.audit().problems == ()


def test_two_matches_made_at_once_do_not_stake_twice_for_one_owner(settings: Any) -> None:
    settings.ENV = settings.ENV.model_copy(update={"house_stake": 10})
    spaces = [make_space(), make_space()]
    make_agent(make_user(is_house=True))
    owner = make_user(credits=100)
    for space in spaces:
        enter(make_agent(owner), space)
    at_once(*(partial(seating.seat_matches, space.id, rng=Random(1)) for space in spaces))
    stakes = Entry.objects.values_list("house_stake_credits", flat=True)
    assert sorted(stakes) == [0, 10]


def test_provisional_agents_come_last_and_siblings_are_counted_and_shown() -> None:
    space, owner = make_space(), make_user()
    established, lucky, retired = make_agent(make_user()), make_agent(owner), make_agent(owner)
    rows = [(established, 20.0, 50), (lucky, 40.0, 3), (retired, 10.0, 80)]
    for agent, mu, count in rows:
        Rating.objects.create(agent=agent, space=space, mu=mu, sigma=1, match_count=count)
    roster.retire_agent(owner.pk, agent_id=retired.pk)
    first, second = leaderboard(space.id)
    assert (first.competitor.agent_id, first.rank, first.owner_agents) == (established.pk, 1, 1)
    assert (second.competitor.agent_id, second.rank, second.owner_agents) == (lucky.pk, None, 2)
    with pytest.raises(NotAvailable):
        owner_results(space.id, f"{owner.username}\x00")
    results = owner_results(space.id, owner.username)
    assert [(one.competitor.agent_id, one.is_retired) for one in results] == [
        (retired.pk, True),
        (lucky.pk, False),
    ]


def test_ranks_are_shared_where_intervals_overlap_and_follow_from_the_page_alone() -> None:
    space = make_space()
    beliefs = [(35.0, 1.0), (34.0, 4.0), (31.0, 0.6), (28.0, 0.8), (20.0, 1.0)]
    for mu, sigma in beliefs:
        Rating.objects.create(
            agent=make_agent(), space=space, mu=mu, sigma=sigma, match_count=PROVISIONAL_MATCHES
        )
    lines = leaderboard(space.id)
    assert [(line.mu, line.rank) for line in lines] == [
        (35.0, 1),
        (34.0, 1),
        (31.0, 2),
        (28.0, 3),
        (20.0, 5),
    ]
    assert leaderboard(space.id, limit=2)[0].rank == 1
