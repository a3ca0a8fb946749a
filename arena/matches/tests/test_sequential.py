"""The sequential mode: in a Space that waits for training, an agent in training sits out."""

from random import Random

import pytest
from django.utils import timezone

from agents.errors import Refused
from agents.models import Agent, Engine
from arena.matches import seating
from arena.models import Entry, EntryStatus, Seat, Space
from arena.tests.builders import enter, make_agent, make_space, make_user

pytestmark = pytest.mark.django_db


def begin(agent: Agent) -> None:
    Agent.objects.filter(id=agent.id).update(learning_since=timezone.now())


def end(agent: Agent) -> None:
    Agent.objects.filter(id=agent.id).update(learning_since=None)


def seat(space: Space) -> list[int]:
    return seating.seat_matches(space.id, rng=Random(1))


def make_entered(space: Space) -> Agent:
    agent = make_agent(make_user(credits=100))
    enter(agent, space)
    return agent


def test_an_agent_in_training_is_refused_with_a_sentence_until_it_is_done() -> None:
    space = make_space(waits_for_training=True)
    agent = make_agent(make_user(credits=100))
    begin(agent)
    with pytest.raises(
        Refused, match=f"{agent.name} is training; it can play in {space.name} again"
    ):
        enter(agent, space)
    assert not Entry.objects.exists()
    end(agent)
    enter(agent, space)


def test_a_queued_agent_keeps_its_place_while_it_trains() -> None:
    space = make_space(waits_for_training=True)
    learner, other = make_entered(space), make_entered(space)
    begin(learner)
    assert seat(space) == []
    entry = Entry.objects.get(agent=learner)
    assert (entry.status, entry.cancel_reason) == (EntryStatus.QUEUED, "")
    end(learner)
    (match_id,) = seat(space)
    players = set(Seat.objects.filter(match_id=match_id).values_list("agent_id", flat=True))
    assert players == {learner.id, other.id}


def test_others_play_on_without_an_agent_that_trains() -> None:
    space = make_space(waits_for_training=True)
    learner, *others = (make_entered(space) for _ in range(3))
    begin(learner)
    (match_id,) = seat(space)
    players = set(Seat.objects.filter(match_id=match_id).values_list("agent_id", flat=True))
    assert players == {other.id for other in others}


def test_an_agent_of_the_house_in_training_fills_no_seat() -> None:
    space = make_space(waits_for_training=True)
    house = make_agent(make_user(is_house=True))
    make_entered(space)
    begin(house)
    assert seat(space) == []
    end(house)
    assert len(seat(space)) == 1


def test_a_space_may_keep_coded_agents_out_of_the_seats_that_the_house_fills() -> None:
    make_agent(make_user(is_house=True), engine=Engine.CODE)
    with_code, models_only = make_space(), make_space(has_coded_seats=False)
    make_entered(with_code)
    make_entered(models_only)
    assert len(seat(with_code)) == 1
    assert seat(models_only) == [], "there is nobody else"
    model = make_agent(make_user(is_house=True))
    (match_id,) = seat(models_only)
    assert Seat.objects.filter(match_id=match_id, agent=model).exists()


def test_elsewhere_play_never_waits_for_training() -> None:
    space = make_space()
    learner, _ = make_entered(space), make_entered(space)
    begin(learner)
    assert len(seat(space)) == 1
