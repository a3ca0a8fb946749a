"""Who sits where changes no judge's verdict, on rounds that were really played.

`recorded/rounds.json` has answers of the house and of SmolLM2-135M-Instruct in rounds of a seeded
installation. An open-ended one also has the figures that models found then: its closeness to the
task, and what the task adds to the likelihood of its beginning.
"""

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.call import cast_vote
from judges.defaults import DEFAULT_JUDGES
from judges.panel import preference, rank
from judges.scorers.client import RelevanceScorer
from judges.tests.builders import compared
from judges.tools import ChatRequest, Message, Reply, Tools
from judges.transcript import Answer, Check, Transcript

ROUNDS = json.loads((Path(__file__).parent / "recorded" / "rounds.json").read_text())
POEM = next(judge for judge in DEFAULT_JUDGES if judge.slug == "form-and-relevance")
# kind, configuration, kind of the rounds that it judges
JUDGES: Mapping[str, tuple[str, Mapping[str, Any], str]] = {
    "code": ("code", {}, "constraints"),
    "poem": ("poem", POEM.config, "open_ended"),
    "relevance": (
        "poem",
        {"form_weight": 0.0, "pmi_weight": 0.0, "relevance_weight": 1.0, "relevance_cut": 0.3},
        "open_ended",
    ),
    "noisy reader": ("pairwise", {}, "open_ended"),
    "noisy reader of pairs": ("pairwise", {"max_listed_characters": 0}, "constraints"),
}


class Recorded:
    """Tools that find again what they found then."""

    def __init__(self, answers: Sequence[Mapping[str, Any]]) -> None:
        self._by_text = {answer["text"].strip(): answer for answer in answers}

    def tools(self) -> Tools:
        return Tools(self.complete, self.logprob, self.relevance, nonce=lambda: "00ff00ff")

    async def complete(self, request: ChatRequest) -> Reply:
        """Noise of its own for each ordered pair of texts, so that many pairs become ties."""
        shown = "\x00".join(compared(request.messages))
        return Reply(f"VERDICT: {'AB'[hashlib.sha256(shown.encode()).digest()[0] % 2]}")

    async def logprob(
        self, messages: Sequence[Message], answer: str, *, max_tokens: int
    ) -> tuple[float, int]:
        asked = any(message["content"] for message in messages)
        return (self._by_text[answer]["pmi"] * max_tokens if asked else 0.0), max_tokens

    async def relevance(self, prompt: str, texts: Sequence[str]) -> list[float]:
        return [self._by_text[text]["cosine"] for text in texts]


def answer_of(recorded: Mapping[str, Any], seat: int) -> Answer:
    checks = tuple(Check(*check) for check in recorded["checks"])
    return Answer(seat=seat, text=recorded["text"], score=recorded["score"], checks=checks)


def verdict(
    kind: str,
    config: Mapping[str, Any],
    recorded: Mapping[str, Any],
    seats: Sequence[int],
    tools: Tools,
) -> tuple[list[set[int]], dict[tuple[int, int], int | None]]:
    """Ranking and preferences, by the answers' numbers in the file; answer n sits in seats[n]."""
    answers = [
        answer_of(answer, seat) for answer, seat in zip(recorded["answers"], seats, strict=True)
    ]
    transcript = Transcript(recorded["prompt"], recorded["kind"], {}, tuple(answers))
    ballot = asyncio.run(cast_vote(kind, config, transcript, tools))
    assert ballot.error == ""
    number = {seat: place for place, seat in enumerate(seats)}
    preferences = {
        (first, second): preference(ballot.scores, ballot.comparisons, seats[first], seats[second])
        for first in range(len(seats))
        for second in range(first)
    }
    return [{number[seat] for seat in group} for group in rank(ballot.scores)], preferences


@pytest.mark.parametrize("name", JUDGES)
@given(data=st.data())
def test_permuting_seats_changes_no_verdict(name: str, data: st.DataObject) -> None:
    kind, config, judged = JUDGES[name]
    recorded = data.draw(st.sampled_from([one for one in ROUNDS if one["kind"] == judged]))
    tools = Recorded(recorded["answers"]).tools()
    straight = list(range(len(recorded["answers"])))
    permuted = data.draw(st.permutations(straight))
    assert verdict(kind, config, recorded, permuted, tools) == verdict(
        kind, config, recorded, straight, tools
    )


@pytest.mark.slow
def test_permuting_seats_changes_no_verdict_of_the_real_relevance_model() -> None:
    """It computes all texts of a round in one batch, where rounding depends on the order."""
    scorer = RelevanceScorer()
    try:
        kind, config, judged = JUDGES["relevance"]
        for recorded in (one for one in ROUNDS if one["kind"] == judged):
            recalled = Recorded(recorded["answers"])
            tools = Tools(recalled.complete, recalled.logprob, scorer.relevance)
            seats = list(range(len(recorded["answers"])))
            assert verdict(kind, config, recorded, seats[::-1], tools) == verdict(
                kind, config, recorded, seats, tools
            )
    finally:
        scorer.close()
