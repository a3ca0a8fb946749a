"""The vLLM client against scripted HTTP answers: which fault is whose."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from agents.inference.client import (
    AdapterRefused,
    Continuation,
    Generation,
    Inference,
    InferenceUnavailable,
    NoNumbers,
    RequestRefused,
    Sampling,
    ServedModel,
    plain_model,
    served_model,
)
from agents.inference.table import ServerTable
from agents.models import AgentVersion, BaseModel
from arena.tests.builders import make_adapter, make_agent

BASE = ServedModel("base", "base", None)
TRAINED = ServedModel("base", "agent-1.v2-abc", Path("/adapters/abc"))
MESSAGES = [{"role": "user", "content": "Say </s> twice."}]
ONE, TWO = "http://one", "http://two"

Answer = Callable[[httpx.Request], httpx.Response]


def stream_of(*pieces: str, finish: str | None = "stop") -> httpx.Response:
    chunks: list[dict[str, Any]] = [{"prompt_token_ids": [1, 2], "choices": []}]
    chunks += [
        {
            "choices": [
                {
                    "delta": {"content": piece},
                    "token_ids": [number],
                    "logprobs": {"content": [{"logprob": -0.5}]},
                    "finish_reason": finish if number == len(pieces) else None,
                }
            ]
        }
        for number, piece in enumerate(pieces, start=1)
    ]
    lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    return httpx.Response(200, text="".join(lines) + "data: [DONE]\n\n")


def ask(answer: Answer, *, model: ServedModel = BASE, urls: tuple[str, ...] = (ONE,)) -> Generation:
    async def scenario() -> Generation:
        async with client(answer, urls) as inference:
            return await inference.generate(model, MESSAGES, Sampling())

    return asyncio.run(scenario())


def client(answer: Answer, urls: ServerTable | tuple[str, ...]) -> Inference:
    inference = Inference(urls, api_key="")
    inference._http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    return inference


def test_an_answer_has_one_logprob_a_token_and_its_pace() -> None:
    asked: list[dict[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(json.loads(request.content))
        return stream_of("one ", "two")

    made = ask(answer)
    assert (made.text, made.token_ids, made.logprobs) == ("one two", [1, 2], [-0.5, -0.5])
    assert [characters for characters, _ in made.chunk_times] == [4, 7]
    assert asked[0]["messages"][0]["content"] == "Say <¦/s> twice."
    assert "seed" not in asked[0]


def test_what_the_database_cannot_store_is_dropped() -> None:
    assert ask(lambda request: stream_of("a\x00b", "\ud83d c")).text == "ab c"


@pytest.mark.parametrize(
    "response",
    [
        stream_of("half an ans", finish=None),
        httpx.Response(200, text='data: {"error": {"message": "EngineDeadError"}}\n\n'),
        httpx.Response(500),
        httpx.Response(503),
    ],
)
def test_an_answer_that_breaks_off_is_an_infrastructure_fault(response: httpx.Response) -> None:
    with pytest.raises(InferenceUnavailable):
        ask(lambda request: response)


def test_a_request_that_the_model_cannot_take_is_the_agents_own_doing() -> None:
    body = {"error": {"message": "This model's maximum context length is 64 tokens."}}
    with pytest.raises(
        RequestRefused, match=r"^The prompt and the task are too long for the model\.$"
    ):
        ask(lambda request: httpx.Response(400, json=body))


def test_a_model_that_computes_no_numbers_is_the_agents_own_doing() -> None:
    token = {
        "delta": {"content": "!"},
        "token_ids": [7],
        "logprobs": {"content": [{"logprob": None}]},
    }
    with pytest.raises(NoNumbers):
        ask(
            lambda request: httpx.Response(
                200, text=f"data: {json.dumps({'choices': [token]})}\n\n"
            )
        )
    body = {"error": {"message": "Out of range float values are not JSON compliant: nan"}}
    with pytest.raises(NoNumbers):
        score(lambda request: httpx.Response(400, json=body), [3])


def test_what_a_server_says_is_in_the_log_only() -> None:
    secret = "/srv/adapters/ab/abcdef is \x00unreadable"
    with capture_logs() as logs, pytest.raises(RequestRefused) as refused:
        ask(lambda request: httpx.Response(400, json={"error": {"message": secret}}))
    assert str(refused.value) == "The inference server cannot take this request."
    with capture_logs() as more, pytest.raises(AdapterRefused) as not_loaded:
        ask(loading(400, said=secret), model=TRAINED)
    assert str(not_loaded.value) == "The inference server refused this agent's adapter."
    assert [one["said"] for one in logs + more] == ["/srv/adapters/ab/abcdef is unreadable"] * 2


def test_a_server_that_is_away_does_not_keep_the_other_from_answering() -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        if request.url.host == "one":
            raise httpx.ConnectError("refused")
        return stream_of("hello")

    async def scenario() -> list[str]:
        async with client(answer, (ONE, TWO)) as inference:
            with pytest.raises(InferenceUnavailable):
                await inference.generate(BASE, MESSAGES, Sampling())
            made = [await inference.generate(BASE, MESSAGES, Sampling()) for _ in range(2)]
            await inference.ensure_adapter(BASE)
            return [one.text for one in made]

    assert asyncio.run(scenario()) == ["hello", "hello"]
    assert asked == ["one", "two", "two"]


def loading(status: int, *, health: int = 200, said: str = "why") -> Answer:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/health":
            return httpx.Response(health)
        if request.url.path == "/v1/load_lora_adapter":
            return httpx.Response(status, json={"error": {"message": said}})
        return stream_of("hello")

    return answer


@pytest.mark.parametrize("status", [400, 404, 500])
def test_a_server_in_health_that_will_not_load_an_adapter_refuses_it(status: int) -> None:
    with pytest.raises(AdapterRefused, match="refused this agent's adapter"):
        ask(loading(status), model=TRAINED)


@pytest.mark.parametrize(("status", "health"), [(500, 503), (502, 200), (503, 200), (429, 200)])
def test_a_sick_server_is_no_verdict_on_an_adapter(status: int, health: int) -> None:
    with pytest.raises(InferenceUnavailable):
        ask(loading(status, health=health), model=TRAINED)


def test_an_adapter_that_a_restarted_server_has_forgotten_is_loaded_again() -> None:
    calls: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        calls.append(request.url.path)
        if request.url.path == "/v1/load_lora_adapter":
            return httpx.Response(200)
        return httpx.Response(404) if len(calls) == 2 else stream_of("hello")

    assert ask(answer, model=TRAINED).text == "hello"
    load, chat = "/v1/load_lora_adapter", "/v1/chat/completions"
    assert calls == [load, chat, load, chat]


def test_an_adapter_is_loaded_where_a_server_answers() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "one":
            raise httpx.ConnectError("refused")
        return httpx.Response(200)

    async def load(urls: tuple[str, ...]) -> None:
        async with client(answer, urls) as inference:
            await inference.ensure_adapter(TRAINED)

    asyncio.run(load((ONE, TWO)))
    with pytest.raises(InferenceUnavailable):
        asyncio.run(load((ONE,)))


def score(
    answer: Answer,
    answer_ids: list[int],
    *,
    model: ServedModel = BASE,
) -> list[float]:
    async def scenario() -> list[float]:
        async with client(answer, (ONE,)) as inference:
            return await inference.score_tokens(model, [7, 8], answer_ids)

    return asyncio.run(scenario())


def scored(request: httpx.Request) -> httpx.Response:
    prompt = json.loads(request.content)["prompt"]
    found = [{str(token): {"logprob": -token / 10}} for token in prompt]
    return httpx.Response(200, json={"choices": [{"prompt_logprobs": [None, *found[1:]]}]})


def test_given_tokens_are_scored_after_the_prompt_without_sampling() -> None:
    asked: list[dict[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(json.loads(request.content))
        return scored(request)

    assert score(answer, [3, 4]) == [-0.3, -0.4]
    assert asked[0]["prompt"] == [7, 8, 3, 4]
    assert asked[0]["max_tokens"] == 1
    assert "seed" not in asked[0]
    assert score(answer, []) == []
    assert len(asked) == 1


def test_tokens_are_scored_under_an_adapter_that_a_restarted_server_has_forgotten() -> None:
    calls: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        calls.append(request.url.path)
        if request.url.path == "/v1/load_lora_adapter":
            return httpx.Response(200)
        return httpx.Response(404) if len(calls) == 2 else scored(request)

    assert score(answer, [3], model=TRAINED) == [-0.3]
    load, completions = "/v1/load_lora_adapter", "/v1/completions"
    assert calls == [load, completions, load, completions]


@pytest.mark.parametrize(
    "reply",
    [
        {},
        {"choices": []},
        {"choices": [{"prompt_logprobs": None}]},
        {"choices": [{"prompt_logprobs": [None, {"9": {"logprob": -1.0}}]}]},
    ],
)
def test_a_reply_without_the_tokens_logprobs_is_an_infrastructure_fault(
    reply: dict[str, Any],
) -> None:
    with pytest.raises(InferenceUnavailable):
        score(lambda request: httpx.Response(200, json=reply), [3])


def test_tokens_that_the_server_cannot_take_are_refused() -> None:
    with pytest.raises(RequestRefused, match="too long"):
        score(lambda _: httpx.Response(400, json={"error": {"message": "too long"}}), [3])


def continue_ids(answer: Answer) -> Continuation:
    async def scenario() -> Continuation:
        async with client(answer, (ONE,)) as inference:
            return await inference.continue_ids(BASE, [1, 5], Sampling(max_tokens=32))

    return asyncio.run(scenario())


@pytest.mark.parametrize(("reason", "is_finished"), [("stop", True), ("length", False)])
def test_a_model_writes_on_after_given_tokens(reason: str, is_finished: bool) -> None:
    asked: list[tuple[str, dict[str, Any]]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append((request.url.path, json.loads(request.content)))
        choice = {"text": "two\x00", "token_ids": [7, 2], "finish_reason": reason}
        return httpx.Response(200, json={"choices": [choice]})

    assert continue_ids(answer) == Continuation("two", [7, 2], is_finished)
    ((path, body),) = asked
    assert path == "/v1/completions"
    assert (body["prompt"], body["max_tokens"]) == ([1, 5], 32)
    assert "seed" not in body


@pytest.mark.parametrize(
    ("response", "fault"),
    [
        (httpx.Response(200, json={"choices": []}), InferenceUnavailable),
        (httpx.Response(200, json={"choices": [{"text": "a"}]}), InferenceUnavailable),
        (httpx.Response(500), InferenceUnavailable),
        (httpx.Response(400, json={"error": {"message": "too long"}}), RequestRefused),
    ],
)
def test_whose_fault_it_is_that_a_model_does_not_write_on(
    response: httpx.Response, fault: type[Exception]
) -> None:
    with pytest.raises(fault):
        continue_ids(lambda request: response)


def test_a_chats_tokens_are_those_of_neutral_words() -> None:
    asked: list[dict[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(json.loads(request.content))
        return httpx.Response(200, json={"tokens": [1, 9, 2]})

    async def scenario() -> list[int]:
        async with client(answer, (ONE,)) as inference:
            return await inference.chat_ids("base", MESSAGES)

    assert asyncio.run(scenario()) == [1, 9, 2]
    assert asked == [
        {"model": "base", "messages": [{"role": "user", "content": "Say <¦/s> twice."}]}
    ]


def test_each_base_is_asked_for_at_its_own_servers() -> None:
    asked: list[tuple[str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append((request.url.host, json.loads(request.content)["model"]))
        return stream_of("one")

    table = ServerTable(("http://one",), {"llama": ["http://two", "http://three"]})

    async def scenario() -> None:
        async with client(answer, table) as inference:
            for base in ("smol", "llama"):
                await inference.generate(plain_model(base), MESSAGES, Sampling())

    asyncio.run(scenario())
    assert asked == [("one", "smol"), ("two", "llama")]


@pytest.mark.django_db
def test_an_adapter_of_another_base_is_never_asked_for() -> None:
    agent, other = make_agent(), BaseModel.objects.create(slug="o", served_name="o", name="O")
    version = AgentVersion(agent=agent, number=2, adapter=make_adapter(other))
    with pytest.raises(AdapterRefused, match="an adapter of another base model"):
        served_model(version)
    version.adapter = None
    assert served_model(version) == plain_model(agent.base_model.served_name)


def test_a_base_whose_servers_are_left_out_cannot_be_asked() -> None:
    problem = "It takes no adapters."
    table = ServerTable(("http://one",), problems={"http://one": problem})

    async def scenario() -> None:
        async with client(lambda request: stream_of("one"), table) as inference:
            await inference.generate(plain_model("smol"), MESSAGES, Sampling())

    with pytest.raises(InferenceUnavailable, match=f"nothing serves smol: {problem}"):
        asyncio.run(scenario())
