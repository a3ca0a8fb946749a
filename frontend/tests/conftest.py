"""Fixtures of the page tests."""

import pytest

from agents.models import Agent
from arena.models import Match
from frontend.api import edge
from frontend.tests.builders import settled_match


@pytest.fixture(autouse=True)
def _requests_of_no_other_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests of one minute ask for more than one network or person may."""
    monkeypatch.setattr(edge, "REQUESTS_WITH_TOKEN", 10**9)
    monkeypatch.setattr(edge, "REQUESTS_WITHOUT", 10**9)


@pytest.fixture
def match() -> Match:
    return settled_match()


@pytest.fixture
def agent(match: Match) -> Agent:
    return match.seats.select_related("agent__owner").get(index=0).agent
