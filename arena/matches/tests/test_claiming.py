"""Whose match is played next: owners take turns."""

import uuid
from random import Random

import pytest
from django.utils import timezone

from agents.models import User
from arena.matches import claiming, play, seating
from arena.matches.runner import task_of
from arena.models import Match, Space
from arena.tests.builders import (
    at_once,
    enter,
    make_agent,
    make_space,
    make_user,
    play_round,
    record,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def space() -> Space:
    """Each entry plays against the house at once."""
    make_agent(make_user(is_house=True))
    return make_space(entry_fee_credits=0)


def seated(space: Space, *owners: User) -> list[int]:
    """A match of each of the owners alone, in this order."""
    ids = []
    for owner in owners:
        enter(make_agent(owner), space)
        ids += seating.seat_matches(space.id, rng=Random(1))
    return ids


def claim() -> int | None:
    return claiming.claim_next(owner=uuid.uuid4())


def test_an_owner_of_many_waiting_matches_does_not_keep_the_others_waiting(space: Space) -> None:
    flood, other = make_user(), make_user()
    first, second, third, others = seated(space, flood, flood, flood, other)
    assert [claim() for _ in range(5)] == [first, others, second, third, None]


def test_whoever_has_waited_longest_for_a_start_is_next_once_nobody_plays(space: Space) -> None:
    """With one thread nobody ever plays while a match is chosen."""
    flood, other, newcomer = make_user(), make_user(), make_user()
    ids = seated(space, flood, flood, flood, other, other, newcomer)
    played = []
    while (match_id := claim()) is not None:
        played.append(match_id)
        play.start_match(match_id)
        play.cancel_match(match_id, reason="Over.")
    floods, others, newcomers = ids[:3], ids[3:5], ids[5:]
    assert played == [floods[0], others[0], newcomers[0], floods[1], others[1], floods[2]]


def test_a_newcomer_does_not_wait_because_of_a_busy_opponent(space: Space) -> None:
    busy, newcomer = make_user(), make_user()
    (playing,) = seated(space, busy)
    assert claim() == playing
    (older,) = seated(space, busy)
    table = make_space(entry_fee_credits=0, house_fill_seconds=60)
    enter(make_agent(busy), table)
    enter(make_agent(newcomer), table)
    (shared,) = seating.seat_matches(table.id, rng=Random(1))
    assert [claim(), claim()] == [shared, older]


def test_a_match_that_is_being_judged_is_still_its_owners_turn(space: Space) -> None:
    """Otherwise one owner's matches could fill the judges' queue."""
    owner, other = make_user(), make_user()
    judged, next_of_owner, others = seated(space, owner, owner, other)
    match = Match.objects.get(id=judged)
    assert claim() == judged
    play.start_match(judged)
    for number in (1, 2):
        play.start_round(judged, number=number, task=task_of(judged, number))
        for seat in (0, 1):
            record(match, number, seat)
    Match.objects.filter(id=judged).update(lease_owner=None, lease_expires_at=None)
    assert [claim(), claim()] == [others, next_of_owner]


def test_two_workers_at_once_take_matches_of_two_owners(space: Space) -> None:
    flood, other = make_user(), make_user()
    first, _, others = seated(space, flood, flood, other)
    assert set(at_once(claim, claim)) == {first, others}


def test_a_match_that_failed_rests_while_others_are_claimed(space: Space) -> None:
    failed, sound = seated(space, make_user(), make_user())
    owner = uuid.uuid4()
    assert claiming.claim_next(owner=owner) == failed
    play.release_lease(failed, owner=owner)
    assert [claim(), claim()] == [sound, None]


def test_a_match_without_tries_left_is_given_up_on_the_way_to_the_next(space: Space) -> None:
    worn_out, sound = seated(space, make_user(), make_user())
    Match.objects.filter(id=worn_out).update(attempts=play.MATCH_ATTEMPTS)
    assert claim() == sound
    assert Match.objects.get(id=worn_out).status == "cancelled"


def test_a_start_long_ago_no_longer_counts(space: Space) -> None:
    veteran, newcomer = make_user(), make_user()
    (before,) = seated(space, veteran)
    match = Match.objects.get(id=before)
    play.start_match(before)
    for number in (1, 2):
        play_round(match, number, scores={0: 0.1, 1: 0.9})
    play.settle_match(before)
    Match.objects.update(started_at=timezone.now() - claiming.TURN_WINDOW)
    older, newer = seated(space, veteran, newcomer)
    assert [claim(), claim()] == [older, newer]
