"""A live site, and no long waits for it."""

from collections.abc import Iterator

import pytest
from rlfc import connection

from frontend.tests.live.serving import serving


@pytest.fixture
def port() -> Iterator[int]:
    with serving() as port:
        yield port


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "PAUSE_SECONDS", 0.01)
