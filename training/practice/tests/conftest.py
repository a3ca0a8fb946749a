"""Practice asks a scripted model here, and waits for nothing."""

from pathlib import Path
from typing import Any

import pytest

from agents.inference import patience
from training.practice import episodes, practice
from training.practice.tests.builders import ScriptedInference


@pytest.fixture(autouse=True)
def model(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> type[ScriptedInference]:
    settings.RUN_STORE = tmp_path / "runs"
    monkeypatch.setattr(practice, "Inference", ScriptedInference)
    monkeypatch.setattr(episodes, "Inference", ScriptedInference)
    monkeypatch.setattr(patience, "RETRY_PAUSES_SECONDS", (0.0, 0.0))
    ScriptedInference.reset()
    return ScriptedInference
