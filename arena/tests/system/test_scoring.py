"""The real server scores tokens as it samples them, which the gate's drift check relies on."""

import asyncio
import json
from collections.abc import Awaitable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from safetensors.numpy import save_file

from agents.adapters.archive import write_archive
from agents.adapters.checks import (
    CONFIG_FILE,
    MAX_WEIGHT,
    WEIGHTS_FILE,
    BadAdapter,
    check_adapter,
)
from agents.adapters.lora import MAX_ALPHA
from agents.adapters.store import store_adapter
from agents.inference.chat import ChatSampling
from agents.inference.client import (
    Generation,
    Inference,
    NoNumbers,
    Sampling,
    ServedModel,
    plain_model,
)
from agents.inference.replies import StreamedAnswer
from agents.models import BaseModel
from agents.roster import add_trained_version
from arena.config.env import Variables
from arena.config.supervisor.parts import INFERENCE
from arena.tests.builders import make_agent
from arena.tests.system.product import Product
from training.adapters.folder import adapter_of

pytestmark = pytest.mark.vllm

RANK = 8
ADAPTERS = 9  # more than the server holds at once


@pytest.fixture
def base() -> ServedModel:
    return plain_model(Variables(_env_file=None).base_model)


def inference_of(product: Product) -> Inference:
    environ = product.environ_of_another
    return Inference(environ["VLLM_URL"].split(","), api_key=environ.get("VLLM_API_KEY", ""))


async def answer(inference: Inference, base: ServedModel) -> Generation:
    messages = [{"role": "user", "content": "Write one sentence about owls."}]
    return await inference.generate(base, messages, Sampling(max_tokens=32))


def apart(one: Sequence[float], other: Sequence[float]) -> float:
    return fmean(abs(a - b) for a, b in zip(one, other, strict=True))


def random_adapter(folder: Path, *, base_folder: Path, seed: int) -> Path:
    """One that changes much: random weights in every query projection."""
    config = config_of(base_folder)
    hidden, rng = config["hidden_size"], np.random.default_rng(seed)
    weights = {}
    for layer in range(config["num_hidden_layers"]):
        name = f"base_model.model.model.layers.{layer}.self_attn.q_proj"
        down = rng.normal(0, hidden**-0.5, (RANK, hidden))
        weights[f"{name}.lora_A.weight"] = down.astype(np.float32)
        weights[f"{name}.lora_B.weight"] = rng.normal(0, 2.0, (hidden, RANK)).astype(np.float32)
    return written(folder, weights, rank=RANK, alpha=RANK)


def overflowing_adapter(folder: Path, *, base_folder: Path) -> Path:
    """One whose weights are numbers, but what the model computes with them is not."""
    config = config_of(base_folder)
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    weights = {}
    for layer in range(config["num_hidden_layers"]):
        for module, ins, outs in (
            ("gate_proj", hidden, inner),
            ("up_proj", hidden, inner),
            ("down_proj", inner, hidden),
        ):
            name = f"base_model.model.model.layers.{layer}.mlp.{module}"
            weights[f"{name}.lora_A.weight"] = np.full((1, ins), MAX_WEIGHT, np.float32)
            weights[f"{name}.lora_B.weight"] = np.full((outs, 1), MAX_WEIGHT, np.float32)
    return written(folder, weights, rank=1, alpha=MAX_ALPHA)


def config_of(base_folder: Path) -> dict[str, Any]:
    return json.loads((base_folder / "config.json").read_text())  # type: ignore[no-any-return]


def written(folder: Path, weights: dict[str, Any], *, rank: int, alpha: int) -> Path:
    folder.mkdir(parents=True)
    save_file(weights, folder / WEIGHTS_FILE)
    modules = sorted({name.split(".")[-3] for name in weights})
    values = {"peft_type": "LORA", "r": rank, "lora_alpha": alpha, "target_modules": modules}
    (folder / CONFIG_FILE).write_text(json.dumps(values))
    return folder


def test_a_talk_ends_where_it_should_and_tells_what_came_of_it_when_it_is_broken_off(
    product: Product, base: ServedModel
) -> None:
    asked = [{"role": "user", "content": "Count from one to one hundred."}]

    async def ask() -> tuple[Generation, StreamedAnswer]:
        came = asyncio.Event()
        heard = StreamedAnswer()

        async def on_text(piece: str) -> None:
            came.set()

        async with inference_of(product) as inference:
            ended = await inference.generate(
                base, asked, ChatSampling(temperature=0.0, max_tokens=64, stop=(" ",))
            )
            long = ChatSampling(temperature=0.0, max_tokens=1000)
            talk = asyncio.create_task(
                inference.generate(base, asked, long, on_text=on_text, answer=heard)
            )
            await came.wait()
            talk.cancel()
            await asyncio.wait([talk])
            assert talk.cancelled()
            return ended, heard

    ended, heard = asyncio.run(ask())
    assert (ended.finish_reason, " " in ended.text) == ("stop", False)
    assert heard.prompt_token_ids == ended.prompt_token_ids
    assert 0 < len(heard.token_ids) < 1000


def test_sampled_tokens_score_what_they_were_sampled_with(
    product: Product, base: ServedModel
) -> None:
    async def ask() -> tuple[Generation, list[float]]:
        async with inference_of(product) as inference:
            said = await answer(inference, base)
            return said, await inference.score_tokens(base, said.prompt_token_ids, said.token_ids)

    said, scored = asyncio.run(ask())
    assert len(scored) == len(said.token_ids) > 0
    # The same engine, in bf16: one prefill instead of one token after the other.
    assert apart(scored, said.logprobs) < 0.15


@pytest.mark.django_db
def test_a_folder_that_an_owner_took_home_is_served_as_it_is(
    product: Product, base: ServedModel, settings: Any, tmp_path: Path
) -> None:
    base_folder = Path(product.environ_of_another["BASE_MODEL_PATH"])
    settings.ADAPTER_STORE = tmp_path / "store"
    served = settings.ENV.base_model
    settings.BASE_MODEL_PATH = base_folder
    row = BaseModel.objects.create(
        slug="home", served_name=served, name="Home", path=str(base_folder)
    )
    made = random_adapter(tmp_path / "made", base_folder=base_folder, seed=99)
    adapter = store_adapter(made, base_model=row, parent=None)
    agent = make_agent()
    agent.base_model = row
    agent.save()
    assert agent.current_version is not None
    version = add_trained_version(
        agent.pk, parent_version_id=agent.current_version.pk, adapter_id=adapter.pk
    )
    folder = adapter_of(agent.pk, version.pk, viewer=agent.owner_id)
    with (tmp_path / "home.zip").open("w+b") as file:
        write_archive(file, folder.name, folder.members)
        with ZipFile(file) as archive:
            archive.extractall(product.home)  # where the server reads
    taken = ServedModel(base.name, "taken-home", product.home / folder.name)

    async def ask() -> tuple[list[float], list[float]]:
        async with inference_of(product) as inference:
            said = await answer(inference, base)
            plain, changed = [
                await inference.score_tokens(model, said.prompt_token_ids, said.token_ids)
                for model in (base, taken)
            ]
            return plain, changed

    plain, changed = asyncio.run(ask())
    assert apart(plain, changed) > 0.5


def test_the_plain_base_stays_itself_beside_adapters(product: Product, base: ServedModel) -> None:
    """However many adapters the server has held: see agents.inference.serve."""
    base_folder = Path(product.environ_of_another["BASE_MODEL_PATH"])
    adapters = [
        ServedModel(
            base.name,
            f"noise-{number}",
            random_adapter(
                product.home / "noise" / str(number), base_folder=base_folder, seed=number
            ),
        )
        for number in range(ADAPTERS)
    ]

    async def ask() -> tuple[list[float], list[float], list[float]]:
        async with inference_of(product) as inference:
            said = await answer(inference, base)

            async def score(model: ServedModel) -> list[float]:
                return await inference.score_tokens(model, said.prompt_token_ids, said.token_ids)

            alone = await score(base)
            for adapter in adapters:
                changed = await score(adapter)
            # Side by side, so that they come into one batch.
            beside = await asyncio.gather(*(score(each) for each in [adapters[-1], base] * 4))
            return alone, changed, beside[-1]

    alone, changed, beside = asyncio.run(ask())
    assert apart(alone, changed) > 0.5, "an adapter that changes nothing proves nothing"
    assert apart(alone, beside) < 0.1


def test_an_adapter_that_makes_its_model_overflow_is_at_fault_however_it_is_asked(
    own_inference: Product, base: ServedModel
) -> None:
    product = own_inference
    base_folder = Path(product.environ_of_another["BASE_MODEL_PATH"])
    folder = overflowing_adapter(product.home / "overflowing", base_folder=base_folder)
    with pytest.raises(BadAdapter, match="could change a weight of the base by"):
        check_adapter(folder, base_folder=base_folder)
    model = ServedModel(base.name, "overflowing", folder)
    messages = [{"role": "user", "content": "Take from A or B."}]

    async def ask() -> list[object]:
        async with inference_of(product) as inference:
            plain = await inference.generate(base, messages, Sampling(max_tokens=8))
            asked: list[Awaitable[object]] = [
                inference.generate(model, messages, Sampling(max_tokens=8)),
                inference.generate(model, messages, Sampling(), choices=("A", "B")),
                inference.score_tokens(model, plain.prompt_token_ids, plain.token_ids),
            ]
            return await asyncio.gather(*asked, return_exceptions=True)

    try:
        assert [type(found) for found in asyncio.run(ask())] == [NoNumbers] * 3
    finally:
        product.kill(INFERENCE)  # what is no number stays in its cache
        product.wait_ready()
