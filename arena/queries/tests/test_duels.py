"""Two agents head to head: counted by Space, paged, and read by an index."""

from random import Random

import pytest

from agents.errors import NotAvailable
from agents.models import Agent
from arena import queries
from arena.matches import play, seating
from arena.models import Match, Seat, Space
from arena.queries.ratings.duels import DuelRecord
from arena.tests.builders import enter, make_agent, make_space, make_user, plans_of, play_round

pytestmark = pytest.mark.django_db(transaction=True)


def played(space: Space, *agents: Agent, draw: bool = False) -> Match:
    """A settled match that the first agent wins, or all draw."""
    for agent in agents:
        enter(agent, space)
    (match_id,) = seating.seat_matches(space.pk, rng=Random(1))
    match = Match.objects.get(id=match_id)
    first = match.seats.get(agent=agents[0]).index
    scores = {seat: 0.5 if draw else 0.9 if seat == first else 0.2 for seat in range(len(agents))}
    play.start_match(match.pk)
    play_round(match, 1, scores=scores)
    play.settle_match(match.pk)
    return match


def test_a_duel_counts_won_drawn_and_lost_by_space_and_is_paged() -> None:
    here, there = make_space(round_count=1), make_space(round_count=1)
    one, other, third = (make_agent(make_user(credits=500)) for _ in range(3))
    matches = [
        played(here, one, other),
        played(here, one, other),
        played(here, other, one),
        played(there, one, other, draw=True),
    ]
    played(here, one, third)
    found = queries.duel(one.pk, other.pk, limit=3)
    assert [(line.space_slug, line.won, line.drawn, line.lost) for line in found.by_space] == [
        (here.slug, 2, 0, 1),
        (there.slug, 0, 1, 0),
    ]
    assert (found.total.won, found.total.drawn, found.total.lost) == (2, 1, 1)
    assert found.is_complete
    assert [one.match_id for one in found.matches] == [match.pk for match in matches[:0:-1]]
    assert found.next_before == matches[1].pk
    rest = queries.duel(one.pk, other.pk, limit=3, before_id=found.next_before)
    assert [(one.match_id, one.rank, one.other_rank) for one in rest.matches] == [
        (matches[0].pk, 1, 2)
    ]
    assert rest.next_before is None
    assert rest.total == found.total
    mirrored = queries.duel(other.pk, one.pk)
    assert (mirrored.total.won, mirrored.total.lost) == (found.total.lost, found.total.won)


def test_a_match_in_which_one_never_answered_is_no_duel() -> None:
    space = make_space(round_count=1)
    one, other = (make_agent(make_user(credits=500)) for _ in range(2))
    match = played(space, one, other)
    Seat.objects.filter(match=match, agent=other).update(rank=None)
    assert queries.duel(one.pk, other.pk).total.match_count == 0
    for pair in ((one.pk, one.pk), (one.pk, 10**9)):
        with pytest.raises(NotAvailable):
            queries.duel(*pair)


def test_the_interval_holds_the_share_and_narrows() -> None:
    widths = []
    for count in (0, 1, 10, 100):
        record = DuelRecord(won=count, drawn=count, lost=0)
        low, high = record.interval
        assert 0 <= low <= record.share <= high <= 1
        widths.append(high - low)
    assert widths == sorted(widths, reverse=True)


def test_a_duel_reads_one_agents_newest_matches_from_an_index() -> None:
    one, other = make_agent(), make_agent()
    plans = plans_of(lambda: queries.duel(one.pk, other.pk))
    met = [plan for plan in plans if "SubPlan" in plan]
    assert met
    for plan in met:
        assert "seat_newest_of_agent" in plan
        assert "Index Cond: (match_id = arena_seat.match_id)" in plan, "of the other's seats"
        assert "Seq Scan" not in plan
