"""An answer of a version to its owner: what is asked, how it ends, and what it costs."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import aclosing
from typing import Any

import pytest
from django.conf import settings

from agents.api_tokens import Scope, create_token, revoke_token, tokens_of
from agents.errors import NotAvailable, PromptTooLong, Refused
from agents.inference.chat import BadValue
from agents.inference.client import InferenceUnavailable
from agents.models import Agent, AgentVersion, BaseModel, VersionOrigin
from arena.models import Talk
from arena.talks import talking
from arena.talks.charging import MAX_AT_ONCE, TooManyAtOnce, tab_of
from arena.talks.naming import model_name, named_versions, own_version
from arena.talks.price import TOKENS_A_UNIT
from arena.talks.saying import MAX_CHARS
from arena.talks.talking import Spoken, TalkEnded, TalkPlan, plan_talk, talk
from arena.talks.tests.model_server import ModelServer, model_serving
from arena.tests.builders import SAMPLING, make_agent, make_user

pytestmark = pytest.mark.django_db(transaction=True)

HELLO = [{"role": "user", "content": "Say something about cats."}]
PROMPT_TOKENS = 1 + 4  # "Answer." is the version's prompt


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Agent:
    monkeypatch.setattr(settings.ENV, "training_price", 1)
    monkeypatch.setattr(talking, "KEEP_SECONDS", 0.05)
    return make_agent(make_user(credits=10))


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelServer]:
    with model_serving(monkeypatch) as server:
        yield server


def plan(agent: Agent, *, token_id: int | None = None, **changes: Any) -> TalkPlan:
    return plan_talk(
        agent.owner_id,
        name=model_name(agent.pk, 1),
        messages=HELLO,
        changes=changes,
        token_id=token_id,
    )


def heard(asked: TalkPlan, *, on_first: Callable[[], object] = lambda: None) -> list[str | Spoken]:
    """All pieces; `on_first` is called after the first one."""

    async def listen() -> list[str | Spoken]:
        pieces: list[str | Spoken] = []
        async with aclosing(talk(asked)) as coming:
            async for piece in coming:
                pieces.append(piece)
                if len(pieces) == 1:
                    await asyncio.to_thread(on_first)
        return pieces

    return asyncio.run(listen())


def used(agent: Agent) -> int:
    """Tokens that the owner has paid for, of the first credit."""
    return TOKENS_A_UNIT - tab_of(agent.owner_id).paid_tokens


def test_a_version_answers_as_it_plays_and_its_tokens_are_paid(
    agent: Agent, model: ModelServer
) -> None:
    *pieces, end = heard(plan(agent))
    assert len(pieces) > 1
    assert "".join(map(str, pieces)) == model.text
    assert end == Spoken("stop", PROMPT_TOKENS, 7, charged_credits=1)
    asked = model.asked[0]
    assert asked["messages"] == [{"role": "system", "content": "Answer."}, *HELLO]
    assert {name: asked[name] for name in SAMPLING} == SAMPLING
    assert "seed" not in asked
    assert used(agent) == PROMPT_TOKENS + 7
    assert not Talk.objects.exists()


def test_a_request_brings_its_own_sampling_and_system_message(
    agent: Agent, model: ModelServer
) -> None:
    own = [{"role": "system", "content": "Be brief."}, *HELLO]
    changes = {"temperature": 0.0, "max_tokens": 3, "stop": ("\n",), "top_p": None}
    asked = plan_talk(agent.owner_id, name=f"agent-{agent.pk}", messages=own, changes=changes)
    assert heard(asked)[-1] == Spoken("length", PROMPT_TOKENS + 1, 3, charged_credits=1)
    assert model.asked[0]["messages"] == own
    assert (model.asked[0]["stop"], model.asked[0]["top_p"]) == (["\n"], 0.95)


def test_an_answer_that_nobody_reads_to_its_end_is_over_and_paid(
    agent: Agent, model: ModelServer
) -> None:
    async def listen_to_the_first_piece() -> list[str | Spoken]:
        async with aclosing(talk(plan_of_agent)) as coming:
            first = await anext(coming)
            async with asyncio.timeout(30):
                while await Talk.objects.aexists():
                    await asyncio.sleep(0.01)
            assert await asyncio.to_thread(used, agent) == PROMPT_TOKENS + 7
            return [first, *[piece async for piece in coming]]

    plan_of_agent = plan(agent)
    *pieces, end = asyncio.run(listen_to_the_first_piece())
    assert "".join(map(str, pieces)) == model.text
    assert end == Spoken("stop", PROMPT_TOKENS, 7, charged_credits=1)


def test_who_stops_listening_frees_the_model_and_pays_for_what_came(
    agent: Agent, model: ModelServer
) -> None:
    model.hold_after = 2

    async def listen_a_little() -> None:
        async with aclosing(talk(plan_of_agent)) as coming:
            text = ""
            async for piece in coming:
                text += str(piece)
                if text == "Cats purr":
                    return

    plan_of_agent = plan(agent)
    asyncio.run(listen_a_little())
    assert model.was_left.wait(timeout=30)
    assert used(agent) == PROMPT_TOKENS + 2


def test_a_token_that_is_revoked_ends_the_answer_that_it_asked_for(
    agent: Agent, model: ModelServer
) -> None:
    model.hold_after = 1
    create_token(agent.owner_id, name="Program", scopes=[Scope.TALK])
    (token,) = tokens_of(agent.owner_id)
    asked = plan(agent, token_id=token.token_id)
    with pytest.raises(TalkEnded, match="revoked"):
        heard(asked, on_first=lambda: revoke_token(agent.owner_id, token_id=token.token_id))
    assert model.was_left.wait(timeout=30)
    assert used(agent) == PROMPT_TOKENS + 1


def test_a_talk_that_was_swept_away_ends(agent: Agent, model: ModelServer) -> None:
    model.hold_after = 1
    with pytest.raises(TalkEnded, match="ended by the site"):
        heard(plan(agent), on_first=lambda: Talk.objects.all().delete())


def test_a_model_that_breaks_off_or_is_away_costs_nothing(agent: Agent, model: ModelServer) -> None:
    model.breaks_after = 3
    with pytest.raises(InferenceUnavailable):
        heard(plan(agent))
    model.breaks_after, model.status = None, 503
    with pytest.raises(InferenceUnavailable):
        heard(plan(agent))
    assert tab_of(agent.owner_id).available_credits == 10
    assert not Talk.objects.exists()


def test_what_does_not_fit_the_context_is_refused_before_anything_is_held(
    agent: Agent, model: ModelServer
) -> None:
    BaseModel.objects.update(context_tokens=20)
    with pytest.raises(PromptTooLong, match="at most 20 fit"):
        heard(plan(agent))
    assert heard(plan(agent, max_tokens=15))[-1] == Spoken("stop", PROMPT_TOKENS, 7, 1)
    assert len(model.asked) == 1


def test_who_has_enough_requests_counted_into_tokens_waits_before_another_is(
    agent: Agent, model: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert heard(plan(agent))
    assert not talking._counted, "each is done"
    monkeypatch.setitem(talking._counted, agent.owner_id, MAX_AT_ONCE)
    with pytest.raises(TooManyAtOnce, match="Wait for one to end"):
        heard(plan(agent))
    assert len(model.asked) == 1


@pytest.mark.parametrize(
    ("messages", "sentence"),
    [
        ([], "no message"),
        ([{"role": "user", "content": " "}], "no message"),
        ([{"role": "tool", "content": "x"}], "one of system, user"),
        ([{"role": "user", "content": "a\x00b"}], "NUL"),
        ([{"role": "user", "content": "a\ud800b"}], "lone surrogates"),
        ([{"role": "user", "content": "x" * (MAX_CHARS + 1)}], "100,001 characters"),
        (HELLO * 201, "201 messages"),
    ],
)
def test_what_cannot_be_said_is_refused_in_a_sentence(
    agent: Agent, messages: list[dict[str, str]], sentence: str
) -> None:
    with pytest.raises(Refused, match=sentence):
        plan_talk(agent.owner_id, name=f"agent-{agent.pk}", messages=messages, changes={})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 2.1),
        ("temperature", float("nan")),
        ("top_p", 0.0),
        ("max_tokens", 0),
        ("max_tokens", 1025),
        ("stop", ("",)),
        ("stop", tuple("abcde")),
    ],
)
def test_sampling_out_of_range_is_refused_by_its_name(agent: Agent, name: str, value: Any) -> None:
    with pytest.raises(BadValue) as refused:
        plan(agent, **{name: value})
    assert refused.value.name == name


def test_only_ones_own_versions_have_names(agent: Agent) -> None:
    second = AgentVersion.objects.create(
        agent=agent, number=2, prompt="Sing.", sampling=SAMPLING, origin=VersionOrigin.EDITED
    )
    rival = make_agent()
    names = [each.name for each in named_versions(agent.owner_id)]
    assert names == [model_name(agent.pk, 2), model_name(agent.pk, 1)]
    assert [each.is_current for each in named_versions(agent.owner_id)] == [False, True]
    assert own_version(agent.owner_id, name=names[0]) == second
    assert own_version(agent.owner_id, name=f"agent-{agent.pk}") == agent.current_version
    for name in (model_name(rival.pk, 1), f"agent-{rival.pk}", names[0] + "-abc", "", "x" * 9999):
        with pytest.raises(NotAvailable):
            own_version(agent.owner_id, name=name)
