from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _apart(settings: Any, tmp_path: Path) -> None:
    """Runs of these tests keep their files in a folder of their own."""
    settings.RUN_STORE = tmp_path / "runs"
