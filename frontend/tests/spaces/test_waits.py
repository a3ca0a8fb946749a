"""The waiting room and the Space's page say how long it takes, and how wide the search is."""

from datetime import timedelta
from random import Random

import pytest
from django.test import Client
from django.utils import timezone

from agents.models import Agent
from arena.matches import play, seating
from arena.models import Entry, Space
from arena.tests.builders import enter, make_agent, make_space, make_user, play_round

pytestmark = pytest.mark.django_db(transaction=True)


def page(agent: Agent, path: str) -> str:
    client = Client()
    client.force_login(agent.owner)
    return " ".join(client.get(path).content.decode().split())


def played(space: Space, *, waited_seconds: float) -> None:
    for _ in range(2):
        enter(make_agent(make_user(credits=100)), space)
    at = timezone.now() - timedelta(seconds=waited_seconds)
    Entry.objects.filter(space=space, match=None).update(created_at=at)
    (match_id,) = seating.seat_matches(space.id, rng=Random(1))
    play.start_match(match_id)
    for number in (1, 2):
        play_round(space.matches.get(id=match_id), number, scores={0: 0.9, 1: 0.1})
    play.settle_match(match_id)


def test_the_wait_is_told_with_the_number_of_matches_it_is_based_on() -> None:
    space, agent = make_space(house_fill_seconds=600), make_agent(make_user(credits=100))
    entry_id = enter(agent, space)
    for path in (f"/entries/{entry_id}/", f"/spaces/{space.slug}/"):
        assert "Nobody has been seated here at 10 credits in the last day" in page(agent, path)
    entering = Entry.objects.filter(id=entry_id)
    entering.update(status="cancelled")
    played(space, waited_seconds=12)
    entering.update(status="queued")
    shown = page(agent, f"/entries/{entry_id}/")
    assert "Usually seated within 15 seconds: nine of ten were, in the last match at 10" in shown
    free = page(make_agent(make_user(credits=100)), f"/spaces/{space.slug}/?fee=0")
    assert "Nobody has been seated here for free in the last day" in free


def test_the_waiting_room_says_how_wide_the_search_is_by_now() -> None:
    space, agent = make_space(house_fill_seconds=600), make_agent(make_user(credits=100))
    entry_id = enter(agent, space)
    # Nobody has waited at all yet, however long the page takes.
    Entry.objects.update(created_at=timezone.now() + timedelta(minutes=5))
    assert "rated from 17 to 33; the range widens" in page(agent, f"/entries/{entry_id}/")
    at = timezone.now() - timedelta(minutes=2)
    Entry.objects.update(created_at=at)
    assert "Now looking among all ratings." in page(agent, f"/entries/{entry_id}/")
