"""Pages and sweeps read what they show, by an index, however long the history is."""

import pytest

from arena import queries
from arena.matches import claiming, play
from arena.models import Match, MatchStatus, Space, SpaceCount
from arena.tests.builders import (
    make_agent,
    make_match,
    make_space,
    make_user,
    plans_of,
    play_round,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_leaderboard_reads_its_first_lines_from_an_index() -> None:
    space = make_space()
    plans = plans_of(lambda: queries.leaderboard(space.pk))
    assert "rating_best_of_space" in plans[0]
    assert "Sort" not in plans[0]
    plans = plans_of(queries.overall_leaderboard)
    assert "overall_best" in plans[0]
    assert "Sort" not in plans[0]


def test_a_list_of_matches_counts_the_rounds_of_no_other_match() -> None:
    space = make_space()
    for call in (
        lambda: queries.recent_matches(space_slug=space.slug),
        queries.recent_matches,
        queries.live_matches,
    ):
        plan = plans_of(call)[0]
        assert "SubPlan" in plan, "for each match that is shown"
        assert "GroupAggregate" not in plan.partition("SubPlan")[0], (
            "before the first ones are taken"
        )


def test_an_agents_newest_matches_are_read_from_an_index() -> None:
    agent = make_agent()
    plan = plans_of(lambda: queries.matches_of_agent(agent.pk))[0]
    assert "seat_newest_of_agent" in plan
    assert "Sort" not in plan


def test_a_statement_reads_the_newest_of_each_side_from_an_index() -> None:
    user = make_user(credits=10)
    plans = plans_of(lambda: queries.statement_page(user.pk))
    assert "transfer_newest_debits" in plans[1]
    assert "transfer_newest_credits" in plans[2]
    assert "Sort" not in plans[1] + plans[2]


def test_a_matchs_movements_are_read_from_indexes() -> None:
    match = make_match()
    plans = plans_of(lambda: queries.match_credits(match.pk, viewer=None))
    assert not any("Seq Scan on arena_transfer" in plan for plan in plans)
    assert not any("Seq Scan on arena_entry" in plan for plan in plans)


def test_matches_without_pairs_are_found_by_an_index_of_just_these() -> None:
    plan = plans_of(lambda: list(claiming.unharvested_matches().order_by("id")[:5]))[0]
    assert "match_not_harvested" in plan
    assert "training_harvest" not in plan


def test_the_counted_settled_matches_are_those_that_there_are() -> None:
    space, other = make_space(), make_space()
    for _ in range(2):
        match = make_match(space)
        play.start_match(match.pk)
        for number in range(1, match.round_count + 1):
            play_round(match, number, scores={0: 0.9, 1: 0.1})
        play.settle_match(match.pk)
    play.cancel_match(make_match(other).pk, reason="For this test.")
    Match.objects.create(space=other, status=MatchStatus.SETTLED, round_count=1)
    kept = dict(SpaceCount.objects.values_list("space_id", "settled_matches"))
    assert kept == {
        one.pk: one.matches.filter(status=MatchStatus.SETTLED).count()
        for one in Space.objects.filter(matches__isnull=False).distinct()
    }
    assert kept == {space.pk: 2, other.pk: 1}
    assert queries.space_card(space.slug).settled_count == 2
    plans = plans_of(lambda: queries.space_card(space.slug))
    assert not any("arena_match" in plan and "settled" in plan for plan in plans)
