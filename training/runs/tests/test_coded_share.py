"""Runs wait for pairs that the agent's share of coded seats lets teach."""

from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from agents.errors import Refused
from agents.models import Agent
from arena.models import Space
from training.models import TrainingRun
from training.runs.starting import (
    HeldUp,
    Remedy,
    Requestable,
    next_runs,
    request_run,
    start_due_runs,
)
from training.tests.builders import make_agent, make_pairs_for, make_space

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _few_pairs_start_a_run(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings.ENV, "training_pairs", 10)
    monkeypatch.setattr("training.runs.nudges.nudge", lambda *nudge, **options: None)


def make_due_agent(space: Space, **learning: Any) -> Agent:
    """It lost all of its rounds to code."""
    agent = make_agent(learning=learning)
    make_pairs_for(agent, count=10, space=space)
    return agent


def requestable(agent: Agent, space: Space) -> Requestable | None:
    return next_runs(agent.pk, viewer=agent.owner_id).requestable.get(space.pk)


def test_pairs_above_the_share_of_coded_seats_start_no_run() -> None:
    space = make_space()
    agent = make_due_agent(space, coded_share=0.5)
    assert start_due_runs() == []
    assert next_runs(agent.pk, viewer=agent.owner_id).held_up == HeldUp(
        f"{agent.name} waits for 10 pairs to learn from and has 0. Not counted: 10 won by coded "
        "seats, which may win at most 50% of a run's pairs. Play more matches, or change that share.",
        Remedy.SETTINGS,
    )
    assert requestable(agent, space) is None
    with pytest.raises(Refused, match=r"needs at least 8 pairs .* and has 0\. Not counted: 10 won"):
        request_run(agent.owner_id, agent_id=agent.pk, space_id=space.pk)
    make_pairs_for(agent, count=4, wins=4, space=space)
    assert start_due_runs() == []
    by_hand = requestable(agent, space)
    assert by_hand is not None
    assert by_hand.pair_count == 8
    make_pairs_for(agent, count=1, wins=1, space=space)
    assert next_runs(agent.pk, viewer=agent.owner_id).held_up is None
    start_due_runs()
    assert TrainingRun.objects.get().pair_count == 10


def test_the_same_pairs_are_not_counted_in_every_sweep(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    make_due_agent(make_space(), coded_share=0.5)
    assert start_due_runs() == []
    with django_assert_num_queries(1):
        assert start_due_runs() == []


def test_groups_of_answers_wait_for_no_share_of_pairs() -> None:
    make_due_agent(make_space(), method="grpo", coded_share=0.0)
    assert len(start_due_runs()) == 1
