"""Restricted moves as the real server draws them, and as the trainer sees them: one policy."""

import asyncio
import math
from pathlib import Path
from statistics import fmean

import pytest
import torch

from agents.inference.client import Generation, Sampling, ServedModel, plain_model
from arena.config.env import Variables
from arena.tests.system.product import Product
from arena.tests.system.test_scoring import apart, inference_of, random_adapter
from training.configs.configs import Precision
from training.gate.drift import BASE_BOUND, CHILD_FLOOR, CHILD_SHARE
from training.methods.examples import Unit
from training.trainers.model.adapter_files import read_parent
from training.trainers.model.base_model import choose_device, load_base
from training.trainers.model.packing import pack

pytestmark = pytest.mark.vllm

SQUARES = [str(number) for number in range(1, 10)]
HEAPS = [f"take {count} from heap {heap}" for heap in (1, 2, 3) for count in range(1, 6)]
ANSWERS = 6  # to each list
BOUND = BASE_BOUND[Precision.BF16]


def bound_at(change: float) -> float:
    """The gate's bound of the distance between two computations, by what the adapter changes."""
    return BOUND + max(CHILD_FLOOR, CHILD_SHARE * change)


def test_what_the_server_drew_under_an_adapter_is_on_policy_for_the_trainer(
    product: Product,
) -> None:
    base_folder = Path(product.environ_of_another["BASE_MODEL_PATH"])
    folder = random_adapter(product.home / "moves", base_folder=base_folder, seed=18)
    model = ServedModel(Variables(_env_file=None).base_model, "moves", folder)

    async def draw() -> tuple[list[Generation], list[Generation]]:
        async with inference_of(product) as inference:
            asked = [
                inference.generate(
                    model,
                    [{"role": "user", "content": f"Game {number}. Choose one of {choices}."}],
                    Sampling(temperature=1.0),
                    choices=choices,
                )
                for choices in (SQUARES, HEAPS)
                for number in range(ANSWERS)
            ]
            free = inference.generate(
                model, [{"role": "user", "content": "Hello."}], Sampling(max_tokens=24)
            )
            *drawn, beside = await asyncio.gather(*asked, free)
            again, plain = [
                await inference.score_tokens(one, beside.prompt_token_ids, beside.token_ids)
                for one in (model, plain_model(model.base))
            ]
            assert apart(again, beside.logprobs) < bound_at(apart(again, plain)), (
                "free answers in one batch with moves keep their own log-probabilities"
            )
            return drawn[:ANSWERS], drawn[ANSWERS:]

    squares, heaps = asyncio.run(draw())
    assert {one.text for one in squares} <= set(SQUARES)
    assert {one.text for one in heaps} <= set(HEAPS)
    drawn = [*squares, *heaps]
    base = load_base(base_folder, precision=Precision.BF16, device=choose_device("cpu"))
    plan, tensors = read_parent(folder, shapes=base.shapes)
    adapter = base.room_for(plan)
    adapter.load(tensors)
    units = [
        Unit(one.prompt_token_ids, (one.token_ids,), (one.allowed_token_ids,)) for one in drawn
    ]
    (row,) = pack(units, max_tokens=10_000)
    with torch.no_grad():
        ours, plain = (base.token_logprobs(row, used).tolist() for used in (adapter, None))
    theirs = [value for one in drawn for value in one.logprobs]
    alternatives = [len(among) > 1 for one in drawn for among in one.allowed_token_ids]
    assert sum(alternatives) == ANSWERS * (1 + 2)
    assert all(
        mine == stored == 0.0
        for mine, stored, telling in zip(ours, theirs, alternatives, strict=True)
        if not telling
    )
    telling = [
        (mine, stored, without)
        for mine, stored, without, is_telling in zip(ours, theirs, plain, alternatives, strict=True)
        if is_telling
    ]
    distance = fmean(abs(mine - stored) for mine, stored, _ in telling)
    ratio = fmean(math.exp(mine - stored) for mine, stored, _ in telling)
    change = fmean(abs(mine - without) for mine, _, without in telling)
    bound = bound_at(change)
    assert change > 2 * BOUND, "an adapter that changes nothing proves nothing"
    assert distance < bound < change
    assert abs(math.log(ratio)) < bound
