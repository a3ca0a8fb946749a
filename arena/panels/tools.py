"""The judges' tools on this installation: vLLM, the relevance scorer, the LLM judge's endpoint."""

import asyncio
from collections.abc import Sequence
from functools import cache

from django.conf import settings

from agents.inference.client import (
    Inference,
    InferenceUnavailable,
    RequestRefused,
    plain_model,
)
from agents.inference.patience import patiently
from arena.panels.asking import complete, exchanged
from judges.scorers.client import LearnedScorer, RelevanceScorer
from judges.tools import CannotJudge, Message, ToolFailed, Tools

# One child for this worker process, started when the first poem is judged.
_scorer = RelevanceScorer()


def build_tools() -> Tools:
    """Tools for any number of calls, from any event loop."""
    return Tools(
        complete=complete,
        logprob=logprob,
        relevance=_scorer.relevance,
        learned=learned,
        exchange=exchanged,
    )


async def learned(digest: str, prompt: str, texts: Sequence[str]) -> list[float]:
    """What a judge that was trained here makes of each text, without holding up the event loop."""
    folder = settings.JUDGE_STORE / digest
    if not folder.is_dir():
        raise CannotJudge("the weights of this judge are not on this machine")
    return await asyncio.to_thread(_learned_scorer().score, folder, prompt, texts)


@cache
def _learned_scorer() -> LearnedScorer:
    """One child for this worker process, started when the first learned judge is asked."""
    return LearnedScorer(settings.BASE_MODEL_PATH)


async def logprob(
    messages: Sequence[Message], answer: str, *, max_tokens: int
) -> tuple[float, int]:
    """Summed natural logprob of the answer's first tokens under the base model, and their count."""
    model = plain_model(settings.ENV.base_model)

    async def ask() -> tuple[float, int]:
        asked = await inference.chat_ids(model.name, [dict(message) for message in messages])
        said = (await inference.count_tokens(model.name, answer))[:max_tokens]
        scores = await inference.score_tokens(model, asked, said)
        return sum(scores), len(scores)

    # All servers have the same base. One that failed rests: the next try asks another one.
    pauses = [0.0] * (len(settings.VLLM_URLS) - 1)
    try:
        async with Inference() as inference:
            return await patiently(ask, pauses=pauses)
    except (InferenceUnavailable, RequestRefused) as error:
        raise ToolFailed(str(error)) from None
