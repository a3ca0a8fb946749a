"""The real trainer on the real base model, in both precisions."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.numpy import load_file
from transformers import AutoTokenizer

from agents.adapters.checks import WEIGHTS_FILE, check_adapter
from training.configs.configs import Precision
from training.methods.examples import Unit
from training.trainers.job import ADAPTER_FOLDER
from training.trainers.model.base_model import FrozenBase, load_base
from training.trainers.model.lora import AdapterPlan
from training.trainers.model.packing import pack
from training.trainers.tests.builders import some_rehearsal, steps_of, train, weights_of, write_job

TOPICS = ("cats", "rain", "tea", "ships")
SIZES: dict[str, Any] = {
    "rank": 8,
    "alpha": 16,
    "max_length": 128,
    "epochs": 1,
    "pairs_per_step": 2,
    "rehearsed": some_rehearsal(4),
    "learning_rate": 5e-4,
}


def real_pairs(base: Path) -> list[dict[str, object]]:
    tokenizer = AutoTokenizer.from_pretrained(base)

    def answer(text: str) -> list[int]:
        return list(tokenizer.encode(f"{text}<|im_end|>", add_special_tokens=False))

    return [
        {
            "prompt_ids": tokenizer.apply_chat_template(
                [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": f"A line about {topic} in lower case."},
                ],
                add_generation_prompt=True,
                return_dict=False,
            ),
            "chosen_ids": answer(f"the {topic} are here, small and soft."),
            "rejected_ids": answer(f"THE {topic} Are HERE! Yes, Sir."),
            "noise": 0.0,
        }
        for topic in TOPICS
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, base_model: Path) -> Path:
    """nf4 and again: the same job; bf16: the same on the plain base."""
    folder = tmp_path_factory.mktemp("trainings")
    lines = real_pairs(base_model)
    for name in ("nf4", "bf16", "again"):
        precision = "bf16" if name == "bf16" else "nf4"
        train(write_job(folder / name, base_model, lines=lines, precision=precision, **SIZES))
    return folder


def test_training_on_either_precision_learns_and_passes_the_stores_checks(
    folder: Path, base_model: Path
) -> None:
    for name in ("nf4", "bf16"):
        before, after = steps_of(folder / name)
        # Where bfloat16 is native, its rounding moves the margin by some hundredths.
        assert before["reward_margin"] == pytest.approx(0, abs=0.05), "starts at its reference"
        assert after["reward_margin"] > before["reward_margin"] + 0.05
        assert after["loss"] < before["loss"]
        facts = check_adapter(folder / name / ADAPTER_FOLDER, base_folder=base_model)
        assert (facts.rank, facts.alpha, len(facts.target_modules)) == (8, 16, 7)
        weights = load_file(folder / name / ADAPTER_FOLDER / WEIGHTS_FILE)
        assert all(tensor.any() for tensor in weights.values()), "every layer has learned"


def test_the_same_job_on_nf4_gives_the_same_adapter_bit_for_bit(folder: Path) -> None:
    assert weights_of(folder / "nf4") == weights_of(folder / "again")
    assert weights_of(folder / "nf4") != weights_of(folder / "bf16")


def test_gradients_through_the_quantized_base_are_those_of_the_plain_one(folder: Path) -> None:
    """bitsandbytes repacks nf4 weights for CPUs in evaluation mode and then has no gradient."""
    quantized, plain = (steps_of(folder / name)[0]["grad_norm"] for name in ("nf4", "bf16"))
    assert quantized == pytest.approx(plain, rel=0.3)


def gradient(base: FrozenBase, unit: Unit) -> torch.Tensor:
    adapter = base.room_for(AdapterPlan(rank=4, alpha=8, modules=tuple(base.shapes)))
    adapter.initialize(seed=0)
    (row,) = pack([unit], max_tokens=1000)
    base.token_logprobs(row, adapter).sum().backward()
    return adapter.grad


def test_weights_unpacked_once_or_each_time_give_the_same_gradient(
    base_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Free memory therefore affects only the time, never what is learned."""
    unit = Unit(tuple(range(100, 120)), (tuple(range(200, 210)), tuple(range(300, 312))))
    cpu = torch.device("cpu")
    once = load_base(base_model, precision=Precision.NF4, device=cpu)
    monkeypatch.setattr(f"{load_base.__module__}.UNPACKED_SHARE_OF_FREE_MEMORY", 0.0)
    each_time = load_base(base_model, precision=Precision.NF4, device=cpu)
    packed = [p for p in each_time.model.parameters() if p.dtype == torch.uint8]
    assert len(packed) == len(once.shapes)
    found = gradient(once, unit)
    assert found.norm() > 1
    assert torch.equal(found, gradient(each_time, unit))
