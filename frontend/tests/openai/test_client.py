"""OpenAI's own client talks to a version: streamed, whole, and when something comes between."""

import json
from http.client import HTTPConnection
from typing import Any

import httpx
import openai
import pytest
from django.conf import settings
from django.db import connection

from agents.api_tokens import Scope, create_token, revoke_token, tokens_of
from agents.models import Agent, BaseModel
from arena.models import Talk
from arena.talks import charging
from arena.talks.charging import tab_of
from arena.talks.price import TOKENS_A_UNIT
from arena.talks.tests.model_server import ModelServer
from arena.tests.builders import make_agent
from frontend.api import edge
from frontend.tests.live.serving import pool_of, serving

pytestmark = pytest.mark.django_db(transaction=True)

PROMPT_TOKENS = 1 + 2  # "Answer." is the version's prompt


def ask(client: openai.OpenAI, agent: Agent, **more: Any) -> Any:
    return client.chat.completions.create(
        model=f"agent-{agent.pk}.v1", messages=[{"role": "user", "content": "Say cats."}], **more
    )


def used(agent: Agent) -> int:
    """Tokens that the owner has paid for, of the first credit."""
    return TOKENS_A_UNIT - tab_of(agent.owner_id).paid_tokens


def test_models_are_ones_own_versions(client: openai.OpenAI, agent: Agent) -> None:
    make_agent()
    assert [each.id for each in client.models.list()] == [f"agent-{agent.pk}.v1"]
    assert client.models.retrieve(f"agent-{agent.pk}").id == f"agent-{agent.pk}.v1"


def test_an_answer_comes_whole_or_streamed_and_says_what_it_used(
    client: openai.OpenAI, agent: Agent, model: ModelServer
) -> None:
    whole = client.chat.completions.create(
        model=f"agent-{agent.pk}",
        messages=[
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Say cats."}]},
        ],
        max_completion_tokens=3,
        temperature=0,
        stop="\n",
        n=1,
        user="me",
    )
    assert whole.model == f"agent-{agent.pk}.v1"
    assert whole.choices[0].message.content == "Cats purr softly"
    assert whole.choices[0].finish_reason == "length"
    assert whole.usage is not None
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (4, 3)
    assert model.asked[0]["messages"][0] == {"role": "system", "content": "Be brief."}
    assert (model.asked[0]["stop"], model.asked[0]["temperature"]) == (["\n"], 0.0)

    chunks = list(ask(client, agent, stream=True, stream_options={"include_usage": True}))
    text = "".join(each.choices[0].delta.content or "" for each in chunks if each.choices)
    assert text == model.text
    assert [each.choices[0].finish_reason for each in chunks if each.choices][-1] == "stop"
    assert [each.usage for each in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].usage.total_tokens == PROMPT_TOKENS + 7
    assert used(agent) == 7 + PROMPT_TOKENS + 7


def test_an_answer_streams_as_it_comes_and_holds_no_database_connection(
    agent: Agent, model: ModelServer
) -> None:
    model.hold_after = 2
    token = create_token(agent.owner_id, name="Program", scopes=[Scope.TALK])
    with pool_of(1), serving() as port:
        url = f"http://127.0.0.1:{port}/v1"
        client = openai.OpenAI(base_url=url, api_key=token, max_retries=0, timeout=30)
        stream = ask(client, agent, stream=True)
        pieces = [next(stream).choices[0].delta.content for _ in range(3)]
        assert pieces == ["", "Cats", " purr"]
        connection.close()
        assert client.models.list().data  # needs the only connection
        model.go_on.set()
        rest = "".join(each.choices[0].delta.content or "" for each in stream)
        assert rest == model.text.removeprefix("Cats purr")


@pytest.mark.parametrize("is_streamed", [True, False])
def test_a_client_that_goes_away_frees_the_model_and_pays_for_what_it_got(
    client: openai.OpenAI, agent: Agent, model: ModelServer, is_streamed: bool
) -> None:
    model.hold_after = 2
    if is_streamed:
        stream = ask(client, agent, stream=True)
        for _ in range(3):
            next(stream)
        stream.close()
    else:
        asking = HTTPConnection(client.base_url.host, client.base_url.port)
        body = {
            "model": f"agent-{agent.pk}.v1",
            "messages": [{"role": "user", "content": "Say cats."}],
        }
        key = {"Authorization": f"Bearer {client.api_key}", "Content-Type": "application/json"}
        asking.request("POST", "/v1/chat/completions", json.dumps(body), key)
        assert model.is_holding.wait(timeout=30)
        asking.close()
    assert model.was_left.wait(timeout=30)
    while Talk.objects.exists():
        connection.close()
    assert used(agent) == PROMPT_TOKENS + 2


def test_a_token_revoked_in_mid_stream_ends_the_stream_with_a_sentence(
    client: openai.OpenAI, agent: Agent, model: ModelServer
) -> None:
    model.hold_after = 2
    stream = ask(client, agent, stream=True)
    next(stream)
    (token,) = tokens_of(agent.owner_id)
    revoke_token(agent.owner_id, token_id=token.token_id)
    with pytest.raises(openai.APIError, match="The token was revoked"):
        list(stream)
    with pytest.raises(openai.AuthenticationError):
        client.models.list()


def test_a_model_that_breaks_off_costs_nothing_and_says_so(
    client: openai.OpenAI, agent: Agent, model: ModelServer
) -> None:
    model.breaks_after = 3
    with pytest.raises(openai.APIError, match="Nothing is charged"):
        list(ask(client, agent, stream=True))
    model.status = 503
    for is_streamed in (True, False):
        with pytest.raises(openai.InternalServerError, match="No model answers now"):
            ask(client, agent, stream=is_streamed)
    assert tab_of(agent.owner_id).available_credits == 10


def test_refusals_have_the_types_that_programs_know(
    client: openai.OpenAI, agent: Agent, model: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def code_of(error: type[openai.APIStatusError], **more: Any) -> str | None:
        with pytest.raises(error) as refused:
            ask(client, agent, **more)
        assert refused.value.message
        return refused.value.code

    rivals = make_agent()
    assert code_of(openai.NotFoundError, extra_body={"model": f"agent-{rivals.pk}.v1"}) == (
        "model_not_found"
    )
    given: Any
    for given in ({"seed": 7}, {"n": 2}, {"tools": [{"type": "function"}]}, {"logprobs": True}):
        assert code_of(openai.BadRequestError, extra_body=given) == "unsupported_parameter"
    for given in (
        {"temperature": 3},
        {"stop": ["a"] * 5},
        {"max_tokens": "many"},
        {"messages": []},
        {"messages": [{"role": "user", "content": "\x00"}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
    ):
        assert code_of(openai.BadRequestError, extra_body=given) == "invalid_value", given
    too_long: Any = {"messages": [{"role": "user", "content": "x" * 1_500_000}]}
    assert code_of(openai.APIStatusError, extra_body=too_long) == "request_too_large"
    too_long["messages"][0]["content"] *= 2
    assert code_of(openai.APIStatusError, extra_body=too_long) is None
    BaseModel.objects.update(context_tokens=10)
    assert code_of(openai.BadRequestError) == "context_length_exceeded"
    BaseModel.objects.update(context_tokens=2048)
    monkeypatch.setattr(charging, "MAX_AT_ONCE", 0)
    assert code_of(openai.RateLimitError) == "rate_limit_exceeded"
    monkeypatch.setattr(charging, "MAX_AT_ONCE", 1)
    monkeypatch.setattr(settings.ENV, "training_price", 11)
    assert code_of(openai.APIStatusError) == "insufficient_quota"
    assert model.asked == []


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (
            rb'{"model": "agent-12", "messages": [{"role": "user", "content": "\ud800"}]}',
            "surrogates",
        ),
        (
            rb'{"model": "agent-12", "messages": [{"role": "user", "content": "Hi"}], "stop": "\ud800"}',
            "surrogates",
        ),
        (b"[]", "body"),
        (b"{", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"messages": [], "temperature": NaN}', "model: Field required"),
    ],
)
def test_a_body_that_no_client_sends_is_refused_in_words(
    client: openai.OpenAI, agent: Agent, body: bytes, sentence: str
) -> None:
    response = httpx.post(
        f"{client.base_url}chat/completions",
        content=body.replace(b"agent-12", f"agent-{agent.pk}".encode()),
        headers={"Authorization": f"Bearer {client.api_key}"},
    )
    assert response.status_code == 400
    assert sentence in response.json()["error"]["message"]


def test_requests_are_counted_and_a_token_needs_the_scope(
    client: openai.OpenAI, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = create_token(agent.owner_id, name="Reader", scopes=[Scope.READ])
    with pytest.raises(openai.PermissionDeniedError, match="lacks the scope"):
        client.with_options(api_key=reader).models.list()
    monkeypatch.setattr(edge, "REQUESTS_WITH_TOKEN", 1)
    monkeypatch.setattr(edge, "WINDOW_SECONDS", 10**9)
    told = client.models.with_raw_response.list().headers
    assert (told["RateLimit-Limit"], told["RateLimit-Remaining"]) == ("1", "0")
    with pytest.raises(openai.RateLimitError) as refused:
        client.models.list()
    assert int(refused.value.response.headers["Retry-After"]) > 60
