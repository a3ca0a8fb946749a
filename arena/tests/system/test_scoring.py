"""The real server scores tokens as it samples them: what the gate's drift check rests on."""

import asyncio
from statistics import fmean

import pytest

from agents.inference import Generation, Inference, Sampling, ServedModel
from arena.config.env import Environment
from arena.tests.system.product import Product

pytestmark = pytest.mark.vllm


def test_sampled_tokens_score_what_they_were_sampled_with(product: Product) -> None:
    environ = product.environ_of_another
    name = Environment(_env_file=None).base_model
    model = ServedModel(name, name, None)
    messages = [{"role": "user", "content": "Write one sentence about owls."}]

    async def ask() -> tuple[Generation, list[float]]:
        urls, key = environ["VLLM_URL"].split(","), environ.get("VLLM_API_KEY", "")
        async with Inference(urls, api_key=key) as inference:
            sampled = await inference.generate(model, messages, Sampling(max_tokens=32))
            scored = await inference.score_tokens(
                model, sampled.prompt_token_ids, sampled.token_ids
            )
            return sampled, scored

    sampled, scored = asyncio.run(ask())
    assert len(scored) == len(sampled.token_ids) > 0
    apart = [abs(a - b) for a, b in zip(scored, sampled.logprobs, strict=True)]
    # The same engine, in bf16: one prefill instead of one token after the other.
    assert fmean(apart) < 0.15
