"""The examples of docs/openai-endpoint.md do what it says."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from agents.api_tokens import Scope, create_token
from agents.models import Agent
from arena.talks.tests.model_server import ModelServer
from frontend.tests.client.documents import Reader, blocks_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

DOCUMENTED = "agent-12"


def test_every_example_works(port: int, agent: Agent, model: ModelServer, tmp_path: Path) -> None:
    token = create_token(agent.owner_id, name="Reader", scopes=[Scope.TALK])
    reader = Reader(tmp_path, url=f"http://127.0.0.1:{port}", token=token, meanwhile=lambda: None)
    blocks = blocks_of("docs/openai-endpoint.md")
    assert {block.tag for block in blocks} == {"python", "console"}
    names = {f"{DOCUMENTED}.v7": f"agent-{agent.pk}.v1", DOCUMENTED: f"agent-{agent.pk}"}
    for block in blocks:
        # In one go: the id of the agent may begin with that of the document.
        text = re.sub("|".join(map(re.escape, names)), lambda name: names[name[0]], block.text)
        reader.follow(replace(block, text=text))
    assert len(model.asked) == 3
