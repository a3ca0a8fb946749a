"""Answers among listed moves, against a scripted server."""

import asyncio
import json
from collections.abc import Sequence
from math import log
from pathlib import Path
from typing import Any

import httpx
import pytest

from agents.inference.client import (
    Generation,
    Inference,
    InferenceUnavailable,
    RequestRefused,
    Sampling,
    ServedModel,
)

TRAINED = ServedModel("base", "agent-1.v2-abc", Path("/adapters/abc"))
MESSAGES = [{"role": "user", "content": "Your move?"}]
PROMPT_IDS = [1, 9, 3]  # beginning, the words, the assistant's turn
END = 2
GREEDY = Sampling(temperature=0.0, top_p=0.01, max_tokens=8)


class Server:
    """Spells a text by its characters; every token's probability is what `likely` says."""

    def __init__(self, likely: dict[str, float] | None = None, *, end: Sequence[int] = (END, 9)):
        self.likely = likely or {}
        self.end = end
        self.asked: list[dict[str, Any]] = []
        self.tokenized: list[dict[str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        if request.url.path == "/tokenize":
            self.tokenized.append(body)
            return httpx.Response(200, json={"tokens": self.tokens(body)})
        if request.url.path == "/v1/load_lora_adapter":
            return httpx.Response(200)
        assert request.url.path == "/v1/completions"
        self.asked.append(body)
        found = {f"token_id:{each}": self.logprob(each) for each in body["logprob_token_ids"]}
        return httpx.Response(
            200, json={"choices": [{"logprobs": {"top_logprobs": [{"token_id:0": -9.0} | found]}}]}
        )

    def tokens(self, body: dict[str, Any]) -> list[int]:
        if "prompt" in body:
            return [ord(letter) for letter in body["prompt"]]
        if body.get("add_generation_prompt", True):
            return PROMPT_IDS
        return [*PROMPT_IDS, *map(ord, body["messages"][-1]["content"]), *self.end]

    def logprob(self, token: int) -> float:
        return log(self.likely.get(chr(token), 0.001))


def client(server: Server) -> Inference:
    inference = Inference(("http://one",), api_key="")
    inference._http = httpx.AsyncClient(transport=httpx.MockTransport(server))
    return inference


def choose(
    server: Server, choices: Sequence[str], *, sampling: Sampling = GREEDY, shown: Any = None
) -> Generation:
    async def scenario() -> Generation:
        async with client(server) as inference:
            return await inference.generate(
                TRAINED, MESSAGES, sampling, on_text=shown, choices=choices
            )

    return asyncio.run(scenario())


def test_a_move_has_the_logprobs_of_the_policy_that_drew_it_and_what_was_allowed() -> None:
    server = Server({"a": 0.1, "b": 0.3, "x": 0.9})
    made = choose(server, ["a1", "b1", "b2"])
    assert (made.text, made.finish_reason) == ("b1", "stop")
    assert made.token_ids == [ord("b"), ord("1"), END]
    assert made.allowed_token_ids == [(ord("a"), ord("b")), (ord("1"), ord("2")), (END,)]
    assert made.logprobs == pytest.approx([log(0.75), log(0.5), 0.0])
    assert made.prompt_token_ids == PROMPT_IDS


def test_only_tokens_with_an_alternative_are_asked_for() -> None:
    server = Server({"7": 0.5})
    assert choose(server, ["take 2 now", "take 7 now"]).text == "take 7 now"
    (asked,) = server.asked
    assert asked["prompt"] == [*PROMPT_IDS, *map(ord, "take ")]
    assert (asked["model"], asked["max_tokens"]) == (TRAINED.name, 1)
    assert asked["logprob_token_ids"] == [ord("2"), ord("7")]
    assert "seed" not in asked
    assert choose(server, ["pass"]).logprobs == [0.0] * 5, "the only move is certain"
    assert len(server.asked) == 1


def test_a_move_that_begins_another_can_be_drawn() -> None:
    made = choose(Server({"1": 0.9, chr(END): 0.5, "0": 0.1}), ["1", "10", "2"])
    assert (made.text, made.allowed_token_ids[1]) == ("1", (END, ord("0")))


def test_top_p_and_the_longest_answer_do_not_cut_a_move() -> None:
    server = Server({"a": 0.9, "b": 0.1})
    sampling = Sampling(temperature=1.0, top_p=0.01, max_tokens=8)
    made = {choose(server, ["a", "b" * 12], sampling=sampling).text for _ in range(200)}
    assert made == {"a", "b" * 12}


def test_a_move_is_shown_whole() -> None:
    shown = []

    async def on_text(text: str) -> None:
        shown.append(text)

    made = choose(Server(), ["e4", "d4"], shown=on_text)
    assert shown == [made.text]
    assert [characters for characters, _ in made.chunk_times] == [2]


def test_moves_are_spelled_once_for_a_match() -> None:
    server = Server()

    async def scenario() -> None:
        async with client(server) as inference:
            for _ in range(3):
                await inference.generate(TRAINED, MESSAGES, GREEDY, choices=["e4", "d4"])

    asyncio.run(scenario())
    assert sorted(body["prompt"] for body in server.tokenized if "prompt" in body) == [
        "Yes",
        "d4",
        "e4",
    ]


def test_more_tokens_than_one_request_may_score_are_asked_for_in_parts() -> None:
    moves = [chr(1000 + number) for number in range(200)]
    made = choose(Server({moves[150]: 0.5}), moves)
    assert made.text == moves[150]
    assert made.logprobs[0] == pytest.approx(log(0.5 / (0.5 + 199 * 0.001)))


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [
        ([str(number) for number in range(257)], "at most 256 moves; here are 257."),
        (["a", ""], "cannot be empty."),
        (["a" * 17, "b"], "at most 16 tokens; 'aaaaaaaaaaaaaaaaa' has 17."),
    ],
)
def test_a_list_of_moves_that_is_too_long_is_refused(choices: list[str], sentence: str) -> None:
    server = Server()
    with pytest.raises(RequestRefused, match=sentence):
        choose(server, choices)
    assert not server.asked


def test_a_template_that_does_not_show_where_an_answer_ends_is_refused() -> None:
    with pytest.raises(RequestRefused, match="moves cannot be restricted"):
        choose(Server(end=()), ["a", "b"])


@pytest.mark.parametrize(
    "reply",
    [
        {"choices": []},
        {"choices": [{"logprobs": None}]},
        {"choices": [{"logprobs": {"top_logprobs": [{"token_id:97": -1.0}]}}]},
        {"choices": [{"logprobs": {"top_logprobs": [{"token_id:97": None, "token_id:98": -1}]}}]},
    ],
)
def test_a_reply_without_the_moves_logprobs_is_an_infrastructure_fault(
    reply: dict[str, Any],
) -> None:
    class Silent(Server):
        def __call__(self, request: httpx.Request) -> httpx.Response:
            answer = super().__call__(request)
            return httpx.Response(200, json=reply) if "completions" in request.url.path else answer

    with pytest.raises(InferenceUnavailable):
        choose(Silent(), ["a", "b"])


def test_a_prompt_that_is_too_long_is_refused_in_words() -> None:
    class Full(Server):
        def __call__(self, request: httpx.Request) -> httpx.Response:
            answer = super().__call__(request)
            too_long = {"error": {"message": "maximum context length"}}
            is_asked = "completions" in request.url.path
            return httpx.Response(400, json=too_long) if is_asked else answer

    with pytest.raises(RequestRefused, match="too long for the model"):
        choose(Full(), ["a", "b"])


def test_a_coded_move_is_spelled_as_a_model_draws_it() -> None:
    async def scenario(text: str, *choices: str) -> tuple[list[int], list[tuple[int, ...]]]:
        async with client(Server()) as inference:
            return await inference.spell("base", text, choices or ["a1", "a2"])

    ids, allowed = asyncio.run(scenario("a2"))
    assert (ids, allowed) == (
        [ord("a"), ord("2"), END],
        [(ord("a"),), (ord("1"), ord("2")), (END,)],
    )
    assert asyncio.run(scenario("b")) == ([ord("b")], [])
    # Code moves on even where the list is too long for a model.
    assert asyncio.run(scenario("5", *map(str, range(300)))) == ([ord("5")], [])


def test_a_restricted_answer_is_scored_over_what_was_allowed() -> None:
    server = Server({"a": 0.1, "b": 0.3})

    async def scenario() -> list[float]:
        async with client(server) as inference:
            allowed = [[ord("a"), ord("b")], [END]]
            return await inference.score_tokens(TRAINED, PROMPT_IDS, [ord("a"), END], allowed)

    assert asyncio.run(scenario()) == pytest.approx([log(0.25), 0.0])
    assert [body["prompt"] for body in server.asked] == [PROMPT_IDS]
