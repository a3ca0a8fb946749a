"""Fixtures of the page tests."""

import pytest

from agents.models import Agent
from arena.models import Match
from frontend.tests.builders import settled_match


@pytest.fixture
def match() -> Match:
    return settled_match()


@pytest.fixture
def agent(match: Match) -> Agent:
    return match.seats.select_related("agent__owner").get(index=0).agent
