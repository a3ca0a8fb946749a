"""Seasons: who is paid from a month's rake, once, whenever a worker dies."""

import uuid
from collections.abc import Sequence
from datetime import date

import pytest
from django.db import transaction

from agents.models import Agent, User
from arena import sweeping
from arena.credits import ledger
from arena.credits.tests.test_ledger_machine import dying_before
from arena.matches import play
from arena.models import Match, Season, SeasonPlace, Space, Transfer, TransferCode
from arena.queries import seasons_of, statement_page
from arena.spaces import seasons
from arena.tests.builders import at_once, make_agent, make_match, make_space, make_user, play_round

pytestmark = pytest.mark.django_db(transaction=True)

PAST = date(2020, 1, 1)


def settled(space: Space) -> Match:
    match = make_match(space)
    play.start_match(match.id)
    for number in range(1, match.round_count + 1):
        play_round(match, number, scores={0: 0.9, 1: 0.2})
    play.settle_match(match.id)
    return match


def make_season(mus: Sequence[float], *, rake: int = 0, owners: Sequence[User] = ()) -> Season:
    """A month that is over, with an agent of each rating; the arena has taken the rake."""
    season = Season.objects.create(space=make_space(), month=PAST, rake_credits=rake)
    for number, mu in enumerate(mus):
        owner = owners[number] if owners else make_user()
        SeasonPlace.objects.create(
            season=season, agent=make_agent(owner), match_count=10, mu=mu, sigma=1
        )
    if rake:
        earn(rake)
    return season


def earn(credits: int) -> None:
    payer = make_user(credits=credits)
    with transaction.atomic():
        ledger.transfer(
            uuid.uuid4(),
            debit=ledger.account_of(payer.pk),
            credit=ledger.fees_account(),
            amount=credits,
            code=TransferCode.RAKE,
        )


def available(agent: Agent) -> int:
    return ledger.balance(ledger.account_of(agent.owner_id)).available


def prizes_of(season: Season) -> list[tuple[int | None, int]]:
    rows = SeasonPlace.objects.filter(season=season).order_by("-mu")
    return list(rows.values_list("place", "prize_credits"))


def test_a_settled_match_counts_in_the_season_of_its_month() -> None:
    space = make_space(round_count=1)
    for _ in range(2):
        settled(space)
    season = Season.objects.get()
    assert (season.space_id, season.rake_credits, season.closed_at) == (space.id, 4, None)
    assert season.month.day == 1
    assert SeasonPlace.objects.count() == 4
    running = seasons_of(space.id).running
    assert (running.pot_credits, running.lines) == (2, ()), "nobody has played ten matches"


def test_the_best_share_half_of_the_months_rake() -> None:
    season = make_season([30, 20, 25, 10], rake=100)
    before = ledger.balance(ledger.fees_account()).available
    assert sweeping.close_seasons() == 1
    assert prizes_of(season) == [(1, 25), (2, 15), (3, 10), (None, 0)]
    assert ledger.balance(ledger.fees_account()).available == before - 50
    winner = SeasonPlace.objects.get(place=1).agent
    assert available(winner) == 25
    (line,) = statement_page(winner.owner_id).lines
    assert line.detail.startswith("One of your agents was among the best of January 2020 in ")
    assert ledger.audit().problems == ()
    (past,) = seasons_of(season.space_id).past
    assert (past.month, past.pot_credits, len(past.lines)) == (PAST, 50, 3)


def test_one_agent_of_each_owner_is_paid_and_nobody_who_played_too_little() -> None:
    one, other, third = make_user(), make_user(), make_user()
    season = make_season([30, 29, 28, 27], rake=100, owners=[one, one, other, third])
    SeasonPlace.objects.filter(agent__owner=third).update(match_count=9)
    seasons.close_season(season.pk)
    assert prizes_of(season) == [(1, 32), (None, 0), (2, 18), (None, 0)]


def test_a_season_without_winners_leaves_its_pot_with_the_arena() -> None:
    season = make_season([], rake=100)
    before = ledger.balance(ledger.fees_account()).available
    seasons.close_season(season.pk)
    season.refresh_from_db()
    assert season.closed_at is not None
    assert ledger.balance(ledger.fees_account()).available == before


def test_a_season_never_pays_more_than_the_arena_has() -> None:
    season = make_season([30], rake=10)
    Season.objects.update(rake_credits=1_000)
    seasons.close_season(season.pk)
    assert prizes_of(season) == [(1, 10)]
    assert ledger.audit().problems == ()


def test_a_season_is_paid_once_by_however_many_sweeps() -> None:
    season = make_season([30, 20], rake=100)
    at_once(*[lambda: seasons.close_season(season.pk)] * 3)
    seasons.close_season(season.pk)
    assert sweeping.close_seasons() == 0
    assert Transfer.objects.filter(code="season").count() == 2
    assert sum(prize for _, prize in prizes_of(season)) == 50


def test_a_sweep_that_dies_between_any_two_statements_leaves_no_trace_and_the_next_pays() -> None:
    season = make_season([30, 20], rake=100)
    deaths = 0
    while dying_before(deaths, lambda: seasons.close_season(season.pk)):
        assert prizes_of(season) == [(None, 0), (None, 0)]
        assert not Transfer.objects.filter(code="season").exists()
        deaths += 1
    assert deaths > 10
    assert sum(prize for _, prize in prizes_of(season)) == 50
    assert Transfer.objects.filter(code="season").count() == 2
    assert ledger.audit().problems == ()


def test_a_match_settled_after_its_month_was_closed_counts_in_the_next() -> None:
    space = make_space(round_count=1)
    settled(space)
    Season.objects.update(closed_at="2020-02-01T00:00:00Z")
    settled(space)
    closed, following = Season.objects.order_by("month")
    assert (closed.rake_credits, following.rake_credits) == (2, 2)
    assert following.month > closed.month


def test_who_leaves_is_not_paid() -> None:
    season = make_season([30, 20], rake=100)
    best = SeasonPlace.objects.get(mu=30).agent.owner
    best.leaving_since = "2020-01-31T00:00:00Z"
    best.save(update_fields=["leaving_since"])
    seasons.close_season(season.pk)
    assert prizes_of(season) == [(None, 0), (1, 50)]
