"""How much one owner's agents may keep."""

from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from agents import quotas, roster
from agents.errors import Refused
from agents.models import Adapter
from training.retention.tests.builders import make_version
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
    Adapter.objects.update(collected_at=timezone.now())
    quotas.check_room(version.agent.owner_id)


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
