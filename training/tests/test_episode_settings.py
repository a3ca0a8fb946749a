"""GRPO runs and agents from before whole episodes were practised."""

from collections.abc import Iterator

import pytest
from django.apps.registry import Apps

from agents.models import Agent
from arena.config.tests.rewinding import migrate, migrate_to_today, rewound
from arena.models import Round
from training.methods import config_from_json
from training.methods.grpo import GRPOConfig
from training.models import Rollout, TrainingRun
from training.tests.test_migrations import BEFORE, seed

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def earlier() -> Iterator[Apps]:
    with rewound(BEFORE) as apps:
        yield apps


def test_runs_under_way_practise_as_planned_and_the_way_back_forgets_episodes(
    earlier: Apps,
) -> None:
    ids = seed(earlier)
    runs = earlier.get_model("training", "TrainingRun").objects
    config = {"method": "grpo", "rollouts": 4, "share": 0}
    runs.filter(pk__in=[ids["waiting"], ids["last"]]).update(method="grpo", config=config)
    migrate_to_today()
    configs = dict(TrainingRun.objects.values_list("pk", "config"))
    assert config_from_json(configs[ids["waiting"]]).as_json()["episode_share"] == 0.0
    assert "episode_share" not in configs[ids["last"]], "it has ended"

    Agent.objects.update(learning=GRPOConfig(discount=0.5).as_json())
    run = TrainingRun.objects.get(pk=ids["waiting"])
    for episode in (0, 1):
        Rollout.objects.create(
            run=run,
            version=run.parent_version,
            round=Round.objects.earliest("id"),
            episode=episode,
            index=0,
            prompt_token_ids=[1],
            token_ids=[1],
            logprobs=[-0.5],
            sampling={},
        )
    then = migrate(BEFORE)
    learning = then.get_model("agents", "Agent").objects.get(pk=ids["agent"]).learning
    assert not {"episode_share", "earlier_share", "discount"} & learning.keys()
    kept = then.get_model("training", "TrainingRun").objects.get(pk=ids["waiting"])
    assert kept.config == config
    assert then.get_model("training", "Rollout").objects.count() == 1, "answers to tasks stay"
