from typing import Any

import pytest

from judges.tools import ChatRequest, Reply, ReplyToken, ToolFailed
from judges.wire import MAX_REPLY_CHARACTERS, body_of, reply_of


def said(content: object = "VERDICT: A", **more: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"content": content}, "finish_reason": "stop"} | more]}


def test_a_request_asks_for_log_probabilities_and_a_schema_only_if_they_are_wanted() -> None:
    plain = body_of(ChatRequest([{"role": "user", "content": "Which?"}], max_tokens=9), model="m")
    assert set(plain) == {"model", "messages", "max_tokens", "temperature"}
    full = body_of(
        ChatRequest([], max_tokens=9, top_logprobs=50, schema={"type": "object"}), model="m"
    )
    assert (full["logprobs"], full["top_logprobs"]) == (True, 20)
    assert full["response_format"]["json_schema"]["schema"] == {"type": "object"}


def test_what_a_token_could_have_been_is_read_with_its_log_probability() -> None:
    token = {"token": "A", "logprob": -0.1, "top_logprobs": [{"token": "B", "logprob": -2.3}]}
    reply = reply_of(said(logprobs={"content": [token]}))
    assert reply.tokens == (ReplyToken("A", {"A": -0.1, "B": -2.3}),)


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        [],
        {"content": None},
        {"content": [{"token": "A"}]},
        {"content": [{"token": "A", "logprob": float("nan")}]},
        {"content": [{"token": "A", "logprob": 0.7}]},
        {"content": [{"token": "A", "logprob": -1.0, "top_logprobs": 3}]},
    ],
)
def test_log_probabilities_that_make_no_sense_are_none(logprobs: object) -> None:
    assert reply_of(said(logprobs=logprobs)) == Reply("VERDICT: A")


def test_thoughts_that_the_server_keeps_apart_are_no_part_of_the_text() -> None:
    message = {"content": None, "reasoning_content": "Hm, A?"}
    reply = reply_of({"choices": [{"message": message, "finish_reason": "length"}]})
    assert reply == Reply("", is_cut=True, thoughts="Hm, A?")


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({"prompt_tokens": 12, "completion_tokens": 3}, (12, 3)),
        ({"prompt_tokens": -12, "completion_tokens": True}, (0, 0)),
        ("many", (0, 0)),
    ],
)
def test_tokens_are_counted_as_the_server_says_if_it_says_a_count(
    usage: object, counts: tuple[int, int]
) -> None:
    reply = reply_of(said() | {"usage": usage})
    assert (reply.prompt_tokens, reply.completion_tokens) == counts


@pytest.mark.parametrize(
    "value", [None, [], {}, {"choices": []}, {"choices": [{"message": None}]}, {"choices": [3]}]
)
def test_a_reply_without_a_text_is_a_failed_request(value: object) -> None:
    with pytest.raises(ToolFailed, match="has no text"):
        reply_of(value)


def test_a_reply_that_never_ends_is_cut() -> None:
    reply = reply_of(said("x" * 100_000))
    assert (len(reply.text), reply.is_cut) == (MAX_REPLY_CHARACTERS, True)
