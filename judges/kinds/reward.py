"""A reward model: a classifier of sequences that gives an answer to a task one number.

Such numbers have no scale of their own, and they compare only answers to the same task. So they are
centred within the round and squashed by x / (1 + |x|), which keeps every order and lets no outlier
decide how far apart the others are.
"""

import asyncio
from collections.abc import Sequence
from enum import StrEnum
from math import fsum
from typing import Any

from pydantic import Field

from judges.fencing import disarmed, says_something
from judges.kinds.config import MAX_ENDPOINTS, KindConfig
from judges.kinds.pooled import rewards_of
from judges.tools import CannotJudge, Tools
from judges.transcript import Ballot, Transcript

_CONCURRENT_REQUESTS = 4
MAX_PROMPT_CHARACTERS = 8_000


class RewardRoute(StrEnum):
    """Which of vLLM's routes answers; its address is the endpoint's with this added."""

    CLASSIFY = "classify"
    POOLING = "pooling"
    SCORE = "score"


class RewardConfig(KindConfig):
    """What a reward model's `config` may set."""

    endpoints: tuple[str, ...] = Field(
        (),
        max_length=MAX_ENDPOINTS,
        title="Endpoints",
        description="Short names of endpoints that serve the model; the next one is asked if one fails. "
        "None: the endpoint in JUDGE_URL.",
    )
    route: RewardRoute = Field(
        RewardRoute.CLASSIFY,
        title="Route",
        description="classify and pooling get a conversation for each answer, score gets the task and "
        "all answers as two texts. vLLM has classify and pooling without /v1: leave that out of the "
        "endpoint's address.",
    )
    spread: float = Field(
        1.0,
        gt=0.0,
        le=1_000.0,
        title="Spread",
        description="How far above its round's mean a reward is worth 3/4.",
    )
    max_answer_characters: int = Field(
        4_000,
        ge=200,
        le=20_000,
        title="Longest answer",
        description="Characters of each answer that the model is shown; the same for all seats.",
    )
    limit_seconds: float = Field(
        120.0, ge=1.0, le=600.0, title="Time limit", description="Seconds for a vote on one round."
    )

    def time_limit_seconds(self) -> float:
        return self.limit_seconds

    def asked_endpoints(self) -> tuple[str, ...]:
        return self.endpoints


async def vote(config: RewardConfig, transcript: Transcript, tools: Tools) -> Ballot:
    said = [answer for answer in transcript.answers if says_something(answer.text)]
    if not said:
        raise CannotJudge("no answer has any text")
    prompt = disarmed(transcript.prompt, max_characters=MAX_PROMPT_CHARACTERS)
    most = config.max_answer_characters
    texts = [disarmed(answer.text, max_characters=most) for answer in said]
    rewards = await _asked(config, prompt, texts, tools)
    mean = fsum(rewards) / len(rewards)
    # A blank answer loses without being asked about.
    scores = {answer.seat: 0.0 for answer in transcript.answers}
    reasons = {answer.seat: "It says nothing." for answer in transcript.answers}
    for answer, reward in zip(said, rewards, strict=True):
        scores[answer.seat] = squashed((reward - mean) / config.spread)
        reasons[answer.seat] = f"Reward {reward:+.3f}, the round's mean is {mean:+.3f}."
    return Ballot(scores=scores, reasons=reasons, checks={})


def squashed(value: float) -> float:
    """In (0, 1) for every finite value, and rising with it."""
    return 0.5 + 0.5 * value / (1 + abs(value))


async def _asked(
    config: RewardConfig, prompt: str, texts: Sequence[str], tools: Tools
) -> list[float]:
    if config.route == RewardRoute.SCORE:
        body = {"text_1": prompt, "text_2": list(texts)}
        reply = await tools.exchange("/score", body, config.endpoints)
        return rewards_of(reply.value, count=len(texts))
    slots = asyncio.Semaphore(_CONCURRENT_REQUESTS)

    async def ask(text: str) -> float:
        body: dict[str, Any] = {
            "messages": [
                {"role": "user", "content": prompt},
                {"role": "assistant", "content": text},
            ]
        }
        async with slots:
            reply = await tools.exchange(f"/{config.route}", body, config.endpoints)
        return rewards_of(reply.value, count=1)[0]

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(ask(text)) for text in texts]
    return [task.result() for task in tasks]
