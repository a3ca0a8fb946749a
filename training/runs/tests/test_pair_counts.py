"""The counts of pairs that sweeps and pages read are those of the pairs that there are."""

import pytest
from django.conf import LazySettings
from django.db import transaction
from django.db.models import Max

from agents.models import Engine
from arena.tests.builders import at_once, plans_of
from training.data.harvest import harvest_matches
from training.models import Pair, PairCount, TrainingRun
from training.runs import queries
from training.runs.starting import request_run, start_due_runs
from training.states import RunStatus
from training.tests.builders import make_agent, make_match, make_pairs_for, make_space

pytestmark = pytest.mark.django_db(transaction=True)


def assert_exact() -> None:
    """Each count is what counting the rows gives."""
    kept = {(one.agent_id, one.space_id): one for one in PairCount.objects.filter(pairs__gt=0)}
    assert kept.keys() == set(Pair.objects.values_list("agent_id", "space_id"))
    for (agent_id, space_id), one in kept.items():
        runs = TrainingRun.objects.filter(agent=agent_id, space=space_id)
        spent = runs.aggregate(last=Max("last_pair_id"))["last"] or 0
        pairs = Pair.objects.filter(agent=agent_id, space=space_id)
        assert one.pairs == pairs.count()
        assert one.last_spent_id == spent
        assert one.new_pairs == pairs.filter(id__gt=spent).count()


def test_the_counted_pairs_are_those_that_there_are(settings: LazySettings, tmp_path: str) -> None:
    agent, other = make_agent(), make_agent()
    agent.base_model.path = str(tmp_path)
    agent.base_model.save()
    space, elsewhere = make_space(), make_space()
    make_pairs_for(agent, count=9, space=space)
    make_pairs_for(other, count=2, space=space)
    make_pairs_for(agent, count=3, space=elsewhere)
    assert_exact()
    request_run(agent.owner_id, agent_id=agent.pk, space_id=space.pk)
    assert_exact()
    make_pairs_for(agent, count=4, space=space)
    assert_exact()
    lines = queries.learning_progress([agent.pk], viewer=agent.owner_id)[agent.pk]
    assert {line.space_id: line.new_pairs for line in lines} == {space.pk: 4, elsewhere.pk: 3}
    assert queries.pair_count(agent.pk, viewer=agent.owner_id) == 16


def test_pairs_and_runs_stored_at_once_are_all_counted() -> None:
    agent, space = make_agent(), make_space()
    make_pairs_for(agent, count=2, space=space)
    rivals = [make_agent(engine=Engine.CODE) for _ in range(3)]
    for rival in rivals:
        make_match([agent, rival], [{0: 0.2, 1: 0.9}] * 2, space=space)

    parent = agent.current_version
    assert parent is not None

    def store_run() -> None:
        with transaction.atomic():
            TrainingRun.objects.create(
                agent=agent,
                space=space,
                parent_version=parent,
                status=RunStatus.REJECTED,
                config={},
                last_pair_id=Pair.objects.latest("id").pk,
                pair_count=1,
            )

    outcomes = at_once(harvest_matches, store_run, harvest_matches, store_run)
    assert [one for one in outcomes if isinstance(one, Exception)] == []
    harvest_matches()
    assert Pair.objects.count() == 8
    assert_exact()


def test_a_sweep_for_due_runs_reads_no_pairs(settings: LazySettings) -> None:
    make_pairs_for(make_agent(), count=2, space=make_space())
    plans = plans_of(start_due_runs)
    assert "training_paircount" in plans[0]
    assert not any("training_pair " in plan for plan in plans)


def test_the_progress_of_an_agent_reads_no_pairs() -> None:
    agent = make_agent()
    make_pairs_for(agent, count=2, space=make_space())
    plans = plans_of(
        lambda: (
            queries.learning_progress([agent.pk], viewer=agent.owner_id),
            queries.pair_count(agent.pk, viewer=agent.owner_id),
        )
    )
    assert len(plans) == 3
    assert not any("training_pair " in plan for plan in plans)
