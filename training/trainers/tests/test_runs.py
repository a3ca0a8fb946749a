"""Runs of the real trainer on a tiny base, in processes of their own."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftModel
from safetensors.numpy import load_file
from transformers import AutoModelForCausalLM

from agents.adapters.checks import WEIGHTS_FILE, check_adapter
from training.configs.configs import Precision
from training.methods.examples import Unit
from training.trainers.job import ADAPTER_FOLDER
from training.trainers.model.adapter_files import read_parent
from training.trainers.model.base_model import load_base
from training.trainers.model.packing import pack
from training.trainers.tests.builders import (
    result_of,
    save_tiny_base,
    some_groups,
    steps_of,
    train,
    weights_of,
    write_job,
)

JOBS: dict[str, dict[str, Any]] = {
    "dpo": {},
    "grpo": {"method": "grpo"},
    "attention": {"target_modules": "attention", "seed": 3},
    "penalty": {"method": "grpo", "beta": 0.05, "seed": 4},
}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Path:
    """One run of each method, in a process of its own with two threads."""
    folder = tmp_path_factory.mktemp("alone")
    for name in ("dpo", "grpo"):
        train(write_job(folder / name, tiny_base, threads=2, **JOBS[name]))
    return folder


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Path:
    """All of JOBS and two that cannot learn, in one process with two threads."""
    folder = tmp_path_factory.mktemp("together")
    jobs = [
        write_job(folder / name, tiny_base, threads=2, **config) for name, config in JOBS.items()
    ]
    other = save_tiny_base(folder / "other-base", hidden=16)
    jobs += [
        write_job(folder / "empty", tiny_base, lines=[]),
        write_job(folder / "elsewhere", other),
    ]
    train(*jobs)
    return folder


@pytest.mark.parametrize("name", ["dpo", "grpo"])
def test_a_run_beside_others_gives_the_same_adapter_as_alone_bit_for_bit(
    alone: Path, together: Path, name: str
) -> None:
    assert weights_of(together / name) == weights_of(alone / name)


def test_the_same_jobs_give_the_same_adapters_whatever_the_threads(
    together: Path, tiny_base: Path, tmp_path: Path
) -> None:
    train(
        *(
            write_job(tmp_path / name, tiny_base, threads=1, **config)
            for name, config in JOBS.items()
        )
    )
    for name in JOBS:
        assert weights_of(tmp_path / name) == weights_of(together / name)


def test_another_seed_gives_another_adapter(alone: Path, tiny_base: Path, tmp_path: Path) -> None:
    train(write_job(tmp_path / "seed", tiny_base, seed=1))
    assert weights_of(tmp_path / "seed") != weights_of(alone / "dpo")


def test_runs_fail_alone_and_say_why(together: Path) -> None:
    assert result_of(together / "empty")["error"].startswith("There is nothing to learn from")
    assert result_of(together / "elsewhere")["error"].startswith(
        "This run was started with runs on another base"
    )
    assert not (together / "empty" / ADAPTER_FOLDER).exists()


def test_adapters_pass_the_checks_of_the_store(together: Path, tiny_base: Path) -> None:
    for name in JOBS:
        facts = check_adapter(together / name / ADAPTER_FOLDER, base_folder=tiny_base)
        assert (facts.rank, facts.alpha) == (4, 8)
        tensors = load_file(together / name / ADAPTER_FOLDER / WEIGHTS_FILE)
        assert {tensor.dtype for tensor in tensors.values()} == {np.dtype(np.float32)}
        assert all(np.any(tensor) for tensor in tensors.values()), "every layer has learned"
    facts = check_adapter(together / "attention" / ADAPTER_FOLDER, base_folder=tiny_base)
    assert facts.target_modules == ("k_proj", "o_proj", "q_proj", "v_proj")


def test_peft_plays_an_adapter_as_the_trainer_did(alone: Path, tiny_base: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_base, dtype=torch.bfloat16)
    peft = PeftModel.from_pretrained(model, alone / "dpo" / ADAPTER_FOLDER).float()
    drift = result_of(alone / "dpo")["drift"]
    for sequence in drift:
        ids = torch.tensor([sequence["prompt_ids"] + sequence["ids"]])
        places = torch.arange(len(sequence["prompt_ids"]) - 1, ids.shape[1] - 1)
        targets = torch.tensor(sequence["ids"])
        with torch.no_grad():
            logprobs = peft(ids).logits[0].log_softmax(-1)[places, targets]
            with peft.disable_adapter():
                plain = peft(ids).logits[0].log_softmax(-1)[places, targets]
        assert logprobs.numpy() == pytest.approx(np.array(sequence["logprobs"]), abs=0.3)
        assert plain.numpy() == pytest.approx(np.array(sequence["base_logprobs"]), abs=0.3)
        assert np.abs(np.subtract(sequence["logprobs"], sequence["base_logprobs"])).max() > 0.3


def test_progress_and_result_keep_the_contract(alone: Path) -> None:
    shared = {
        "step", "steps", "loss", "grad_norm", "tokens_per_second", "memory_bytes", "seconds",
        "remaining_seconds", "kl", "base_kl",
    }  # fmt: skip
    own = {"dpo": {"reward_margin", "accuracy"}, "grpo": {"reward", "clipped", "ratio"}}
    for name, fields in own.items():
        steps = steps_of(alone / name)
        assert all(line.keys() == shared | fields for line in steps)
        assert [line["step"] for line in steps] == list(range(1, steps[0]["steps"] + 1))
        assert steps[-1]["remaining_seconds"] == 0
        result = result_of(alone / name)
        assert result["steps"] == 6
        assert result["loss_first"] == pytest.approx(steps[0]["loss"], abs=1e-4)
        assert result["loss_last"] == pytest.approx(steps[-1]["loss"], abs=1e-4)
        assert min(result["tokens"], result["seconds"], result["peak_memory_bytes"]) > 0
        assert len(result["drift"]) == {"dpo": 9, "grpo": 6}[name]


def test_dpo_starts_at_its_parent_and_learns_to_prefer(alone: Path) -> None:
    first, *_, last = steps_of(alone / "dpo")
    assert first["reward_margin"] == pytest.approx(0, abs=0.05)
    assert first["kl"] == pytest.approx(0, abs=0.01)
    assert last["reward_margin"] > first["reward_margin"] + 0.2
    assert last["loss"] < first["loss"]
    assert last["accuracy"] == 1


def test_grpo_makes_better_answers_of_a_group_likelier(tiny_base: Path, tmp_path: Path) -> None:
    groups = some_groups(4)
    folder = write_job(
        tmp_path / "grpo", tiny_base, lines=groups, method="grpo", epochs=5, clip_high=0.5
    )
    train(folder)
    from_trainer = load_base(tiny_base, precision=Precision.BF16, device=torch.device("cpu"))
    plan, tensors = read_parent(folder / ADAPTER_FOLDER, shapes=from_trainer.shapes)
    adapter = from_trainer.room_for(plan)
    adapter.load(tensors)
    gains = []
    for group in groups:
        units = [Unit(group["prompt_ids"], (answer["ids"],)) for answer in group["answers"]]
        (row,) = pack(units, max_tokens=10_000)
        with torch.no_grad():
            moved = from_trainer.token_logprobs(row, adapter) - from_trainer.token_logprobs(
                row, None
            )
        means = [float(part.mean()) for part in torch.split(moved, list(row.lengths))]
        gains.append(means[-1] - means[0])  # rewards rise within a group
    assert np.mean(gains) > 0.1


def test_grpo_makes_the_turns_of_episodes_that_ended_well_likelier_each_after_its_own_prompt(
    tiny_base: Path, tmp_path: Path
) -> None:
    """Each of two episodes has two turns; the earlier ones count less."""
    groups = some_groups(4)
    for group, others in zip(groups, some_groups(4, seed=1), strict=True):
        prompts = [group["prompt_ids"], others["prompt_ids"]]
        group["prompt_ids"] = []
        for place, answer in enumerate(group["answers"]):
            answer["own_prompt_ids"] = prompts[place % 2]
            answer |= {"weight": (0.5, 1.0)[place % 2], "reward": float(place >= 2)}
            answer["logprobs"] = [-4.5] * len(answer["ids"])
    folder = write_job(
        tmp_path / "grpo", tiny_base, lines=groups, method="grpo", epochs=5, clip_high=0.5
    )
    train(folder)
    from_trainer = load_base(tiny_base, precision=Precision.BF16, device=torch.device("cpu"))
    plan, tensors = read_parent(folder / ADAPTER_FOLDER, shapes=from_trainer.shapes)
    adapter = from_trainer.room_for(plan)
    adapter.load(tensors)
    gains = []
    for group in groups:
        units = [Unit(one["own_prompt_ids"], (one["ids"],)) for one in group["answers"]]
        (row,) = pack(units, max_tokens=10_000)
        with torch.no_grad():
            moved = from_trainer.token_logprobs(row, adapter) - from_trainer.token_logprobs(
                row, None
            )
        means = [float(part.mean()) for part in torch.split(moved, list(row.lengths))]
        gains += [means[2] - means[0], means[3] - means[1]]
    assert np.mean(gains) > 0.1


def test_a_later_run_starts_from_its_parents_weights(
    alone: Path, tiny_base: Path, tmp_path: Path
) -> None:
    parent = alone / "dpo" / ADAPTER_FOLDER
    folder = write_job(
        tmp_path / "second", tiny_base, parent=parent, epochs=1, rank=8, target_modules="attention"
    )
    train(folder)
    first = load_file(parent / WEIGHTS_FILE)
    second = load_file(folder / ADAPTER_FOLDER / WEIGHTS_FILE)
    assert first.keys() == second.keys(), "an adapter keeps its rank and layers"
    moved = max(np.abs(second[name] - first[name]).max() for name in first)
    assert 0 < moved < 5 * 2e-3, "three steps of Adam, no new start"
    assert steps_of(folder)[0]["reward_margin"] == pytest.approx(0, abs=0.05)


def test_runs_learn_from_restricted_moves_and_report_them_as_they_were_drawn(
    tiny_base: Path, tmp_path: Path
) -> None:
    pair = {"prompt_ids": list(range(20, 40)), "chosen_ids": [7, 2], "rejected_ids": [9, 2]}
    among = [[5, 7, 9], [2]]
    sets = {"chosen_allowed_token_ids": among, "rejected_allowed_token_ids": among}
    answers = [
        {"ids": [token, 2], "reward": reward, "logprobs": None, "allowed_token_ids": among}
        for token, reward in ((7, 1.0), (9, 0.0))
    ]
    group = {"prompt_ids": pair["prompt_ids"], "answers": answers}
    dpo = write_job(tmp_path / "dpo", tiny_base, lines=[{**pair, "noise": 0.1, **sets}] * 4)
    grpo = write_job(tmp_path / "grpo", tiny_base, lines=[group] * 4, method="grpo")
    train(dpo, grpo)
    for folder in (dpo, grpo):
        first, *_ = result_of(folder)["drift"]
        assert first["allowed_token_ids"] == among
        assert first["logprobs"][1] == first["base_logprobs"][1] == 0.0
        assert first["logprobs"][0] > first["base_logprobs"][0], "the better move became likelier"
    assert steps_of(grpo)[0]["ratio"] == pytest.approx(1.0, abs=1e-4)
    assert steps_of(dpo)[0]["reward_margin"] == pytest.approx(0.0, abs=1e-4)
