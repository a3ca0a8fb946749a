"""The page on which one talks to versions without a program."""

import json
from typing import Any

import pytest
from django.test import Client

from agents.models import Agent
from arena.tests.builders import make_agent, make_user
from frontend.tests.builders import signed_in

pytestmark = pytest.mark.django_db


def asked(client: Client, body: Any) -> Any:
    return client.post("/playground/answer/", json.dumps(body), content_type="application/json")


def test_the_page_shows_ones_own_versions_with_the_asked_ones_chosen(agent: Agent) -> None:
    rivals = make_agent()
    page = (
        signed_in(agent.owner_id).get(f"/playground/?second=agent-{agent.pk}.v1").content.decode()
    )
    assert page.count(f'<option value="agent-{agent.pk}.v1" data-most="2048" selected>') == 2
    assert "25,600 tokens of messages and answers cost 1 credit; 0 are paid for." in page
    assert f"agent-{rivals.pk}.v1" not in page
    assert (
        "You have no agent to talk to yet."
        in signed_in(make_user().pk).get("/playground/").content.decode()
    )


def test_what_cannot_be_answered_is_refused_before_anything_is_asked(agent: Agent) -> None:
    client, rivals = signed_in(agent.owner_id), make_agent()
    said = [{"role": "user", "content": "Hello."}]
    for body, status, sentence in (
        ({"model": f"agent-{rivals.pk}.v1", "messages": said}, 404, "You have no model"),
        ({"model": f"agent-{agent.pk}.v1", "messages": []}, 422, "no message"),
        ({"model": f"agent-{agent.pk}.v1", "messages": said, "temperature": 9}, 422, "between 0"),
    ):
        response = asked(client, body)
        assert (response.status_code, sentence in response.json()["error"]) == (status, True)
    as_form = Client(enforce_csrf_checks=True, headers={"host": "testserver"})
    as_form.force_login(agent.owner)
    as_form.get("/playground/")
    token = as_form.cookies["csrftoken"].value
    assert as_form.post("/playground/answer/", {"csrfmiddlewaretoken": token}).status_code == 422
    assert Client(enforce_csrf_checks=True).post("/playground/answer/").status_code == 403
