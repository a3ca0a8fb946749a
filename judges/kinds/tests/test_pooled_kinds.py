"""Judges that ask a server for numbers instead of words: reward models and embeddings."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.call import cast_vote
from judges.kinds.reward import squashed
from judges.tests.builders import ScriptedTools, make_answer, make_transcript
from judges.tools import Exchanged, ToolFailed, Tools
from judges.transcript import Answer, Ballot


class Server:
    """Gives each text a number; as an embedding, the angle to the task whose cosine that is."""

    def __init__(self, numbers: Mapping[str, float]) -> None:
        self._numbers = numbers
        self.asked: list[tuple[str, Mapping[str, Any], Sequence[str]]] = []

    async def exchange(
        self, path: str, body: Mapping[str, Any], endpoints: Sequence[str]
    ) -> Exchanged:
        self.asked.append((path, body, endpoints))
        return Exchanged(self._reply(path, body), prompt_tokens=7, cost_micros=3)

    def _reply(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        if path == "/embeddings":
            _, *texts = body["input"]
            cosines = [1.0, *(self._numbers[text] for text in texts)]
            return {"data": [{"embedding": [x, (1 - x * x) ** 0.5]} for x in cosines]}
        if path == "/score":
            return {"data": [{"score": self._numbers[text]} for text in body["text_2"]]}
        return {"data": [{"probs": [self._numbers[body["messages"][-1]["content"]]]}]}

    def tools(self) -> Tools:
        return replace(ScriptedTools().tools(), exchange=self.exchange)


def vote(server: Server, kind: str, *answers: Answer, **config: object) -> Ballot:
    settings = {"endpoints": ["one"]} | config
    return asyncio.run(cast_vote(kind, settings, make_transcript(*answers), server.tools()))


@pytest.mark.parametrize("route", ["classify", "pooling", "score"])
def test_a_reward_model_orders_answers_by_their_rewards(route: str) -> None:
    server = Server({"a": -20.0, "b": 3.0, "c": 40.0})
    answers = [make_answer(seat, text) for seat, text in enumerate("bca")]
    ballot = vote(server, "reward", *answers, route=route)
    assert ballot.error == ""
    assert ballot.scores[1] > ballot.scores[0] > ballot.scores[2]
    assert {path for path, _, _ in server.asked} == {f"/{route}"}
    asked = len(server.asked)
    assert (ballot.usage.requests, ballot.usage.cost_micros) == (asked, 3 * asked)
    assert {tuple(endpoints) for _, _, endpoints in server.asked} == {("one",)}


def test_rewards_compare_answers_of_one_round_only() -> None:
    """What all of them have in common is no merit."""
    answers = [make_answer(0, "a"), make_answer(1, "b")]
    low = vote(Server({"a": -7.0, "b": -6.0}), "reward", *answers)
    high = vote(Server({"a": 6.0, "b": 7.0}), "reward", *answers)
    assert low.scores == high.scores


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_squashing_keeps_every_order(one: float, other: float) -> None:
    assert 0.0 <= squashed(one) <= 1.0
    assert (
        one == other
        or (squashed(one) <= squashed(other)) == (one < other)
        or abs(squashed(one) - squashed(other)) < 1e-12
    )


def test_a_blank_answer_loses_and_the_model_is_not_asked_about_it() -> None:
    server = Server({"a": -100.0, "b": -200.0})
    answers = [make_answer(0, " \u200b"), make_answer(1, "a"), make_answer(2, "b")]
    ballot = vote(server, "reward", *answers)
    assert ballot.scores[0] == 0.0 < ballot.scores[2] < ballot.scores[1]
    assert len(server.asked) == 2


def test_a_reward_model_reads_no_control_tokens() -> None:
    server = Server({"x< | im _ end | >": 0.0, "b": 1.0})
    asked = make_answer(0, "x<|im_end|>")
    vote(server, "reward", asked, make_answer(1, "b"))
    assert not any("<|" in str(body) for _, body, _ in server.asked)


@pytest.mark.parametrize("kind", ["reward", "embedding"])
def test_a_server_that_fails_is_an_abstention(kind: str) -> None:
    class Away(Server):
        async def exchange(self, *args: Any) -> Exchanged:
            raise ToolFailed("endpoint one answered 503")

    ballot = vote(Away({}), kind, make_answer(0), make_answer(1))
    assert (ballot.scores, ballot.error) == ({}, "endpoint one answered 503")


def test_closeness_counts_from_the_cut_on_and_in_full_at_its_end() -> None:
    cosines = {"off": 0.1, "near": 0.475, "close": 0.7, "copy": 0.99}
    answers = [make_answer(seat, text) for seat, text in enumerate(cosines)]
    ballot = vote(Server(cosines), "embedding", *answers)
    assert ballot.scores == pytest.approx({0: 0.0, 1: 0.625, 2: 1.0, 3: 1.0})
    assert ballot.reasons[0] == "Weak: it is 0.10 close to the task."


def test_an_answer_that_fails_a_gate_is_below_every_open_one() -> None:
    """A copy is the closest of all; whoever finds it has it refused."""
    cosines = {"near": 0.3, "copy": 1.0}
    answers = [make_answer(0, "near"), make_answer(1, "copy", failed="own words")]
    assert vote(Server(cosines), "embedding", *answers).scores[1] == 1.0
    gated = vote(Server(cosines), "embedding", *answers, gates=["own words"])
    assert gated.scores[1] < gated.scores[0]
    assert "fails own words" in gated.reasons[1]


def test_without_an_endpoint_the_model_of_the_installation_is_asked() -> None:
    script = ScriptedTools(cosines=[0.9, 0.3])
    transcript = make_transcript(make_answer(0, "a"), make_answer(1, "b"), make_answer(2, "  "))
    ballot = asyncio.run(cast_vote("embedding", {}, transcript, script.tools()))
    assert ballot.scores[0] > ballot.scores[1] > ballot.scores[2] == 0.0


def test_a_full_relevance_under_the_least_one_is_refused_in_words() -> None:
    ballot = vote(Server({}), "embedding", make_answer(0), relevance_cut=0.8)
    assert "needs a full relevance above the least one" in ballot.error
