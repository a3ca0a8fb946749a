"""Adapters of the two people in tests of access: one to take home, and one to bring in."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings

from agents.adapters.checks import CONFIG_FILE, WEIGHTS_FILE
from agents.models import BaseModel
from frontend.tests.two_people import TwoPeople
from training.adapters import folder
from training.adapters.tests.builders import sent, small_base, some_tensors


def with_weights(people: TwoPeople, monkeypatch: pytest.MonkeyPatch, scratch: Path) -> TwoPeople:
    """The same people; the owner's adapter has files, and the base has some to compare with."""
    for name in (WEIGHTS_FILE, CONFIG_FILE):
        (scratch / name).write_text("{}")
    monkeypatch.setattr(folder, "adapter_folder", lambda digest, verify=False: scratch)
    monkeypatch.setattr(settings, "ADAPTER_STORE", scratch / "store")
    BaseModel.objects.filter(slug="tiny").update(path=str(small_base(scratch / "base")))
    return people


def of_adapted(people: TwoPeople) -> Mapping[str, Any]:
    """The owner's version with an adapter."""
    return {"agent_id": people.agent_id, "version_id": people.adapted_id}


def brought(people: TwoPeople) -> Mapping[str, Any]:
    """An adapter for the owner's student."""
    base_folder = Path(BaseModel.objects.get(slug="tiny").path)
    return {
        "agent_id": people.student_id,
        "space_slug": people.slug,
        "files": sent(some_tensors(base_folder)),
        "request_id": uuid4(),
    }
