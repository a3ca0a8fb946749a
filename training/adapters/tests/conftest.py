"""An agent and a Space over a small base, with a scripted gate."""

from pathlib import Path
from typing import Any

import pytest

from agents.models import Agent
from arena.models import Space
from training.adapters.tests.builders import small_base
from training.tests.builders import make_agent, make_base, make_space
from training.tests.scripted import script_runs


@pytest.fixture(autouse=True)
def _scripted(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script_runs(settings, tmp_path, monkeypatch)
    monkeypatch.setattr(settings.ENV, "training_price", 1)


@pytest.fixture
def base_folder(tmp_path: Path) -> Path:
    folder = small_base(tmp_path / "base")
    make_base(str(folder))
    return folder


@pytest.fixture
def agent(base_folder: Path) -> Agent:
    return make_agent(prompt="Say it briefly.")


@pytest.fixture
def space(base_folder: Path) -> Space:
    return make_space()
