from typing import Any

import pytest

from judges.kinds.pooled import cosine, rewards_of, vectors_of
from judges.tools import ToolFailed


def rows(name: str, *values: object) -> dict[str, Any]:
    return {"data": [{"index": place, name: value} for place, value in enumerate(values)]}


@pytest.mark.parametrize(
    ("reply", "rewards"),
    [
        (rows("score", 0.25, -3), [0.25, -3.0]),
        (rows("probs", [0.9], [0.2]), [0.9, 0.2]),
        (rows("probs", [0.9, 0.1], [0.3, 0.7]), [0.1, 0.7]),
        (rows("data", [1.5], [[0.1], [2.5]]), [1.5, 2.5]),
        ({"data": [{"index": 1, "score": 1}, {"index": 0, "score": 2}]}, [2.0, 1.0]),
        ({"data": [{"score": 1}, {"score": 2}]}, [1.0, 2.0]),
    ],
)
def test_rewards_are_read_in_the_order_of_the_texts(
    reply: dict[str, Any], rewards: list[float]
) -> None:
    assert rewards_of(reply, count=2) == rewards


@pytest.mark.parametrize(
    "reply",
    [
        {},
        {"data": 3},
        {"data": [1, 2]},
        rows("score", 1.0),
        rows("score", 1.0, 2.0, 3.0),
        rows("score", 1.0, float("nan")),
        rows("score", 1.0, "high"),
        rows("score", 1.0, True),
        rows("probs", [], [0.5]),
        rows("data", [1.0], [[[]]]),
        rows("data", [1.0], [0.0] * 200_000),
        {"data": [{"index": 0, "score": 1}, {"index": 0, "score": 2}]},
        {"data": [{"index": "x", "score": 1}, {"index": 0, "score": 2}]},
    ],
)
def test_a_reply_without_a_number_for_each_text_is_a_failed_request(reply: dict[str, Any]) -> None:
    with pytest.raises(ToolFailed):
        rewards_of(reply, count=2)


def test_embeddings_of_different_lengths_are_a_failed_request() -> None:
    with pytest.raises(ToolFailed, match="different lengths"):
        vectors_of(rows("embedding", [1.0, 2.0], [1.0]), count=2)


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        ([1.0, 0.0], [2.0, 0.0], 1.0),
        ([1.0, 0.0], [0.0, 1.0], 0.0),
        ([1.0, 1.0], [-3.0, -3.0], -1.0),
        ([0.0, 0.0], [1.0, 0.0], 0.0),
        ([1e150, 0.0], [1e150, 0.0], 1.0),
    ],
)
def test_a_cosine_lies_between_minus_one_and_one(
    one: list[float], other: list[float], found: float
) -> None:
    assert cosine(one, other) == pytest.approx(found)
