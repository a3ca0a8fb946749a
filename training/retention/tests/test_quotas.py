"""How much one owner's agents may keep."""

from pathlib import Path
from typing import Any

import pytest

from agents import quotas, roster
from agents.errors import Refused
from agents.models import Adapter
from training.retention.adapters import ADAPTERS
from training.retention.tests.builders import (
    SIZE,
    collect_adapters,
    has_files,
    make_version,
    run_of,
    use,
)
from training.states import RunStatus
from training.tests.builders import make_agent

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _store(settings: Any, tmp_path: Path) -> None:
    settings.ADAPTER_STORE = tmp_path / "adapters"


def test_an_owner_whose_weights_take_too_much_room_is_told_so(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = make_version(make_agent(), number=2, monkeypatch=monkeypatch)
    Adapter.objects.update(size_bytes=2_000_000)
    monkeypatch.setattr(settings.ENV, "quota_adapters_mb", 2)
    with pytest.raises(Refused, match="take 2 MB, and 2 MB may be kept"):
        quotas.check_room(version.agent.owner_id)
    Adapter.objects.update(is_removed=True)
    quotas.check_room(version.agent.owner_id)


def test_weights_that_a_retired_agent_never_played_with_count_until_they_are_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    version = make_version(make_agent(), number=2, monkeypatch=monkeypatch)
    run_of(version, RunStatus.CANCELLED)
    owner_id = version.agent.owner_id
    roster.retire_agent(owner_id, agent_id=version.agent_id)
    ADAPTERS.collect()
    assert quotas.stored_bytes(owner_id) == SIZE, "they are marked, and still on the disk"
    collect_adapters()
    assert not has_files(version)
    assert quotas.stored_bytes(owner_id) == 0


def test_weights_that_a_retired_agent_played_with_stay_and_no_longer_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    agent = make_agent()
    versions = [make_version(agent, number=each, monkeypatch=monkeypatch) for each in (2, 3)]
    for version in versions:
        use(version)
    # With the same weights: they have played, whatever the prompt was.
    roster.edit_agent(
        agent.owner_id, agent_id=agent.pk, prompt="New.", sampling=versions[-1].sampling
    )
    assert quotas.stored_bytes(agent.owner_id) == 2 * SIZE
    roster.retire_agent(agent.owner_id, agent_id=agent.pk)
    collect_adapters()
    assert quotas.stored_bytes(agent.owner_id) == 0
    assert all(map(has_files, versions))


def test_an_owner_with_too_many_versions_is_told_so(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = make_agent()
    assert agent.current_version is not None
    monkeypatch.setattr(settings.ENV, "quota_versions", 1)
    with pytest.raises(Refused, match="Your agents have 1 versions, and 1 may be kept"):
        roster.edit_agent(
            agent.owner_id,
            agent_id=agent.pk,
            prompt="New.",
            sampling=agent.current_version.sampling,
        )
