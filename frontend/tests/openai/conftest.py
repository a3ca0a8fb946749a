"""A live site beside a scripted model server, and an official client of a person with an agent."""

from collections.abc import Iterator

import openai
import pytest
from django.conf import settings

from agents.api_tokens import Scope, create_token
from agents.models import Agent
from arena.talks import talking
from arena.talks.tests.model_server import ModelServer, model_serving
from arena.tests.builders import make_agent, make_user
from frontend.tests.live.serving import serving


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelServer]:
    monkeypatch.setattr(settings.ENV, "training_price", 1)
    monkeypatch.setattr(talking, "KEEP_SECONDS", 0.05)
    with model_serving(monkeypatch) as server:
        yield server


@pytest.fixture
def agent() -> Agent:
    return make_agent(make_user(credits=10))


@pytest.fixture
def port() -> Iterator[int]:
    with serving() as port:
        yield port


@pytest.fixture
def client(port: int, agent: Agent) -> Iterator[openai.OpenAI]:
    token = create_token(agent.owner_id, name="Program", scopes=[Scope.TALK])
    with openai.OpenAI(
        base_url=f"http://127.0.0.1:{port}/v1", api_key=token, max_retries=0, timeout=30
    ) as made:
        yield made
