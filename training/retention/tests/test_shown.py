"""The operator's page: what takes room, and what is deleted when."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from agents.models import Adapter, User
from arena.tests.builders import make_agent, make_user
from frontend.tests.builders import make_adapter, signed_in
from training.retention.sweep import collect

pytestmark = pytest.mark.django_db


def test_the_staff_see_what_takes_room_and_nobody_else_does(settings: Any, tmp_path: Path) -> None:
    settings.HOME = tmp_path
    (tmp_path / "adapters").mkdir()
    (tmp_path / "adapters" / "weights").write_bytes(b"w" * 3000)
    agent = make_agent(make_user())
    make_adapter(agent)
    Adapter.objects.update(size_bytes=19_000_000)
    collect()
    staff = make_user()
    assert signed_in(staff.pk).get("/site/room/").status_code == 404
    assert Client().get("/site/room/").status_code == 302
    User.objects.filter(id=staff.pk).update(is_staff=True)
    page = signed_in(staff.pk).get("/site/room/")
    assert page.status_code == 200
    text = page.content.decode().replace("\xa0", " ")
    for words in (
        "agents_agent",
        "2.9 KB",
        "18.1 MB",
        agent.owner.username,
        "just now",
        "until they",
    ):
        assert words in text, words


def test_a_version_whose_weights_are_gone_says_so_and_offers_no_button() -> None:
    agent = make_agent(make_user())
    make_adapter(agent)
    agent.refresh_from_db()
    first = agent.versions.get(number=1)
    owner = signed_in(agent.owner_id)
    assert "Roll back" in owner.get(f"/agents/{agent.pk}/").content.decode()
    owner.post(f"/agents/{agent.pk}/versions/{first.pk}/activate/")
    assert "Use version 2" in owner.get(f"/agents/{agent.pk}/").content.decode()
    Adapter.objects.update(collected_at=timezone.now())
    page = owner.get(f"/agents/{agent.pk}/").content.decode()
    assert "Its weights were deleted on" in page
    assert "Use version 2" not in page
    second = agent.versions.get(number=2)
    path = f"/agents/{agent.pk}/versions/{second.pk}/activate/"
    answer = owner.post(path, follow=True).content.decode()
    assert "The weights of version 2 were deleted on" in answer
