"""Runs and agents from before the setting `coded_share` existed."""

from collections.abc import Iterator

import pytest
from django.apps.registry import Apps

from agents.models import Agent
from arena.config.tests.rewinding import migrate, migrate_to_today, rewound
from training.methods import config_from_json
from training.models import TrainingRun
from training.tests.test_migrations import BEFORE, seed

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def earlier() -> Iterator[Apps]:
    with rewound(BEFORE) as apps:
        yield apps


def test_runs_under_way_keep_learning_from_coded_seats_and_the_way_back_forgets_the_setting(
    earlier: Apps,
) -> None:
    ids = seed(earlier)
    migrate_to_today()
    configs = dict(TrainingRun.objects.values_list("pk", "config"))
    assert configs[ids["waiting"]]["coded_share"] == 1.0
    assert "coded_share" not in configs[ids["last"]], "it has ended, and nobody was counted"
    assert config_from_json(configs[ids["last"]]).coded_share == 0.5

    Agent.objects.update(learning={"method": "dpo", "coded_share": 0.2})
    then = migrate(BEFORE)
    runs = then.get_model("training", "TrainingRun").objects
    assert "coded_share" not in runs.get(pk=ids["waiting"]).config
    assert then.get_model("agents", "Agent").objects.get(pk=ids["agent"]).learning == {
        "method": "dpo"
    }
