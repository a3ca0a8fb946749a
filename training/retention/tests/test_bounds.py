"""A sweep reads little, however much there is."""

from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents.models import Adapter
from arena.tests.builders import plans_of
from training.retention import adapters, texts
from training.retention.tests.builders import make_version
from training.runs.leaving import erase_leavers
from training.runs.steering import use_version
from training.tests.builders import make_agent

pytestmark = pytest.mark.django_db


def test_a_sweep_looks_at_some_adapters_and_the_next_goes_on_from_there(
    monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path
) -> None:
    monkeypatch.setattr(adapters, "LOOKED_AT", 2)
    settings.ADAPTER_STORE = tmp_path
    agent = make_agent()
    kept = make_version(agent, number=2, monkeypatch=monkeypatch)
    for number in range(3, 7):
        make_version(agent, number=number, monkeypatch=monkeypatch)
    use_version(agent.owner_id, agent_id=agent.pk, version_id=kept.pk)
    marked = []
    for _ in range(3):
        adapters.collect()
        marked.append(Adapter.objects.filter(collected_at__isnull=False).count())
    assert marked == [1, 3, 4], "the first is kept"
    late = make_version(agent, number=7, monkeypatch=monkeypatch)
    adapters.collect()
    adapters.collect()
    assert Adapter.objects.get(versions=late).collected_at, "it begins again"


def test_expired_sessions_are_found_in_the_order_of_the_index_that_there_is() -> None:
    with CaptureQueriesContext(connection) as captured:
        texts.collect_sessions()
    (deletion,) = captured.captured_queries
    assert 'ORDER BY "expire_date"' in deletion["sql"].replace('U0."', '"')


def test_people_who_leave_are_found_by_an_index_of_just_these() -> None:
    (plan,) = plans_of(erase_leavers)
    assert "user_leaving" in plan
