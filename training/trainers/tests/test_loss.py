"""Losses compared with TRL's own code and a plain NumPy reference."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from peft import LoraConfig
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast
from trl import DPOConfig as TrlDPOConfig
from trl import DPOTrainer
from trl.trainer.dpo_trainer import DataCollatorForPreference

from training.configs.configs import LearningConfig, Targets
from training.methods import method_of
from training.methods.dpo import DPOConfig
from training.methods.examples import Example
from training.methods.grpo import GRPOConfig
from training.trainers.examples import read_examples
from training.trainers.loss import grpo_share, ratio_mask
from training.trainers.model.base_model import FrozenBase, wrap_base
from training.trainers.model.lora import AdapterWeights, plan_adapter
from training.trainers.model.packing import pack
from training.trainers.step import Step
from training.trainers.tests.builders import (
    SMALL_DPO,
    SMALL_GRPO,
    VOCABULARY,
    some_groups,
    some_pairs,
    tiny_model,
    write_lines,
)

PREFIX = "base_model.model."


@pytest.fixture(scope="module")
def base() -> FrozenBase:
    return wrap_base(tiny_model())


def some_adapter(base: FrozenBase, *, seed: int = 0, spread: float = 0.05) -> AdapterWeights:
    adapter = base.room_for(plan_adapter(Targets.ALL_LINEAR, rank=4, alpha=8, shapes=base.shapes))
    adapter.initialize(seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        adapter.values.add_(spread * torch.randn(adapter.values.shape, generator=generator))
    adapter.refresh()
    return adapter


def read(folder: Path, config: LearningConfig, lines: Sequence[dict[str, Any]]) -> list[Example]:
    return read_examples(
        write_lines(folder / "dataset.jsonl", lines), config, vocabulary=VOCABULARY
    )


def logprobs_of(
    base: FrozenBase, examples: Sequence[Example], adapter: AdapterWeights | None
) -> list[list[torch.Tensor]]:
    found = []
    for example in examples:
        (row,) = pack(example.units, max_tokens=10_000)
        with torch.no_grad():
            logprobs = base.token_logprobs(row, adapter)
        found.append(list(torch.split(logprobs, list(row.unit_lengths))))
    return found


def loss_and_gradient(
    base: FrozenBase,
    adapter: AdapterWeights,
    config: LearningConfig,
    examples: Sequence[Example],
    parent: Sequence[Sequence[torch.Tensor]],
    *,
    max_tokens: int = 10_000,
) -> tuple[float, torch.Tensor, dict[str, float]]:
    step = Step(examples=tuple(examples), parent=tuple(parent))
    adapter.grad.zero_()
    loss, figures = 0.0, dict[str, float]()
    for row in pack(step.units, max_tokens=max_tokens):
        share = method_of(config).share(config, step, row, base.token_logprobs(row, adapter))
        share.loss.backward()
        loss += float(share.loss.detach())
        for name, value in share.figures.items():
            figures[name] = figures.get(name, 0.0) + value
    return loss, adapter.grad.clone(), figures


@pytest.mark.parametrize(
    ("config", "lines"),
    [
        (DPOConfig.from_json(SMALL_DPO), some_pairs(8)),
        (GRPOConfig.from_json(SMALL_GRPO | {"beta": 0.1}), some_groups(8)),
    ],
    ids=["dpo", "grpo"],
)
def test_one_row_of_eight_equals_eight_rows_of_one(
    base: FrozenBase, tmp_path: Path, config: LearningConfig, lines: list[dict[str, Any]]
) -> None:
    examples = read(tmp_path, config, lines)
    parent = logprobs_of(base, examples, some_adapter(base, seed=1))
    adapter = some_adapter(base)
    together = loss_and_gradient(base, adapter, config, examples, parent)
    apart = loss_and_gradient(base, adapter, config, examples, parent, max_tokens=1)
    assert together[0] == pytest.approx(apart[0], rel=1e-5)
    torch.testing.assert_close(together[1], apart[1], rtol=1e-4, atol=1e-6)
    assert together[2] == pytest.approx(apart[2], rel=1e-4)


def trl_trainer(folder: Path, config: DPOConfig) -> DPOTrainer:
    """TRL's trainer of the same tiny model. Its own dataset is not used."""
    words = {f"w{number}": number for number in range(VOCABULARY - 1)} | {"<pad>": VOCABULARY - 1}
    tokenizer = Tokenizer(WordLevel(words, unk_token="<pad>"))
    tokenizer.pre_tokenizer = Whitespace()
    told = [{"prompt": "w1 w2", "chosen": " w3", "rejected": " w4"}]
    return DPOTrainer(
        model=tiny_model(),
        args=TrlDPOConfig(
            output_dir=str(folder),
            loss_type=["sigmoid", "sft"],
            loss_weights=[config.preference_weight, config.sft_weight],
            beta=config.beta,
            max_length=None,
            bf16=False,
            use_cpu=True,
            gradient_checkpointing=False,
            report_to="none",
        ),
        train_dataset=Dataset.from_list(told),
        processing_class=PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, pad_token="<pad>", eos_token="w0"
        ),
        peft_config=LoraConfig(
            r=4, lora_alpha=8, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"
        ),
    )


@pytest.mark.parametrize("sft_weight", [0.0, 1.0])
def test_dpos_loss_and_gradients_are_trls(
    base: FrozenBase, tmp_path: Path, sft_weight: float
) -> None:
    config = DPOConfig.from_json(SMALL_DPO | {"sft_weight": sft_weight})
    pairs = [pair | {"noise": 0.0} for pair in some_pairs(8)]
    examples = read(tmp_path, config, pairs)
    adapter = some_adapter(base)
    loss, _, figures = loss_and_gradient(
        base, adapter, config, examples, logprobs_of(base, examples, None)
    )

    trainer = trl_trainer(tmp_path, config)
    theirs = {
        name.replace(".default", ""): parameter
        for name, parameter in trainer.model.named_parameters()
        if parameter.requires_grad
    }
    ours = adapter.tensors()
    assert theirs.keys() == ours.keys()
    with torch.no_grad():
        for name, parameter in theirs.items():
            parameter.copy_(ours[name])
    collate = DataCollatorForPreference(pad_token_id=VOCABULARY - 1)
    trainer.model.train()
    their_loss = trainer.compute_loss(trainer.model, collate(pairs))
    their_loss.backward()

    assert loss == pytest.approx(float(their_loss.detach()), rel=1e-5)
    metrics = trainer._metrics["train"]
    assert figures["reward_margin"] == pytest.approx(metrics["rewards/margins"][0], rel=1e-3)
    assert figures["accuracy"] == pytest.approx(metrics["rewards/accuracies"][0])
    for name, pair in adapter.pairs.items():
        for side, matrix in (("A", pair.a), ("B", pair.b)):
            expected = theirs[f"{PREFIX}{name}.lora_{side}.weight"].grad
            torch.testing.assert_close(matrix.grad, expected, rtol=1e-3, atol=1e-5)


def test_label_noise_weighs_both_orders_of_a_pair(base: FrozenBase, tmp_path: Path) -> None:
    config = DPOConfig.from_json(SMALL_DPO | {"sft_weight": 0.0})
    (pair,) = some_pairs(1)
    turned = pair | {"chosen_ids": pair["rejected_ids"], "rejected_ids": pair["chosen_ids"]}
    adapter = some_adapter(base)

    def gradient(line: dict[str, Any], noise: float) -> torch.Tensor:
        examples = read(tmp_path, config, [line | {"noise": noise}])
        parent = logprobs_of(base, examples, None)
        return loss_and_gradient(base, adapter, config, examples, parent)[1]

    mixed = 0.7 * gradient(pair, 0.0) + 0.3 * gradient(turned, 0.0)
    torch.testing.assert_close(gradient(pair, 0.3), mixed, rtol=1e-3, atol=1e-6)


def numpy_grpo(
    logprobs: np.ndarray,
    behaviour: np.ndarray,
    parent: np.ndarray,
    advantages: np.ndarray,
    lengths: Sequence[int],
    *,
    beta: float,
    clip_high: float,
) -> tuple[float, np.ndarray]:
    """The loss and its gradient, token by token, in float64."""
    loss, gradient = 0.0, np.zeros(len(logprobs))
    ends = np.cumsum(lengths)
    for end, length, advantage in zip(ends, lengths, advantages, strict=True):
        own = range(end - length, end)
        mean = np.exp(np.mean([logprobs[t] - behaviour[t] for t in own]))
        for t in own:
            ratio = np.exp(logprobs[t] - behaviour[t])
            if 0.125 <= ratio <= 8 and 0.1 <= mean <= 10:
                low, high = (0.0, 1 + clip_high) if advantage > 0 else (0.8, 4.0)
                loss -= min(max(ratio, low), high) * advantage
                if low <= ratio <= high:
                    gradient[t] -= ratio * advantage
            away = parent[t] - logprobs[t]
            loss += beta * (np.exp(away) - away - 1)
            gradient[t] += beta * (1 - np.exp(away))
    return loss / len(logprobs), gradient / len(logprobs)


@pytest.mark.parametrize("beta", [0.0, 0.05])
@pytest.mark.parametrize("spread", [0.1, 1.5])
@pytest.mark.parametrize("clip_high", [0.28, 4.0])
def test_grpos_loss_and_gradient_are_those_of_a_plain_reference(
    beta: float, spread: float, clip_high: float
) -> None:
    source = np.random.default_rng(0)
    lengths = tuple(int(n) for n in source.integers(1, 30, size=40))
    logprobs = -source.exponential(2.0, size=sum(lengths))
    behaviour = logprobs + spread * source.standard_normal(len(logprobs))
    behaviour[: lengths[0]] += 4.0  # an answer that the policy has left behind
    parent = logprobs + 0.3 * source.standard_normal(len(logprobs))
    advantages = source.standard_normal(len(lengths))
    loss, gradient = numpy_grpo(
        logprobs, behaviour, parent, advantages, lengths, beta=beta, clip_high=clip_high
    )

    given = torch.tensor(logprobs, requires_grad=True)
    share = grpo_share(
        given,
        torch.tensor(behaviour),
        torch.tensor(parent),
        torch.tensor(advantages),
        telling=torch.ones(len(logprobs), dtype=torch.bool),
        usable=torch.ones(len(logprobs), dtype=torch.bool),
        lengths=lengths,
        clip_low=0.2,
        clip_high=clip_high,
        beta=beta,
        step_tokens=len(logprobs),
    )
    share.loss.backward()
    assert float(share.loss.detach()) == pytest.approx(loss, rel=1e-9)
    assert given.grad is not None
    np.testing.assert_allclose(given.grad.numpy(), gradient, rtol=1e-7, atol=1e-12)
    untaught = np.sum((gradient == 0) & (np.repeat(advantages, lengths) != 0))
    if not beta:
        assert share.figures["clipped"] == pytest.approx(untaught / len(logprobs))


def on_policy(
    logprobs: torch.Tensor, advantages: torch.Tensor, lengths: tuple[int, ...], **changed: Any
) -> Any:
    own = logprobs.detach()
    telling = torch.ones(len(own), dtype=torch.bool)
    given: dict[str, Any] = {"usable": telling, "telling": telling} | changed
    return grpo_share(
        logprobs,
        given.pop("behaviour", own),
        own,
        advantages,
        lengths=lengths,
        clip_low=0.2,
        clip_high=0.28,
        beta=0.0,
        step_tokens=len(own),
        **given,
    )


def test_on_policy_ratios_are_one_and_gradients_those_of_the_plain_policy_gradient() -> None:
    logprobs = (-torch.rand(12, dtype=torch.float64)).requires_grad_()
    advantages, lengths = torch.tensor([0.5, -0.25, -0.25]), (3, 5, 4)
    share = on_policy(logprobs, advantages, lengths)
    (gradient,) = torch.autograd.grad(share.loss, logprobs)
    assert (share.figures["ratio"], share.figures["clipped"], share.figures["kl"]) == (1, 0, 0)
    assert torch.equal(gradient, -advantages.repeat_interleave(torch.tensor(lengths)).double() / 12)


def test_tokens_that_may_not_teach_count_in_the_average_only() -> None:
    logprobs = (-torch.rand(4)).requires_grad_()
    usable = torch.tensor([True, False, True, True])
    share = on_policy(logprobs, torch.tensor([1.0]), (4,), usable=usable)
    (gradient,) = torch.autograd.grad(share.loss, logprobs)
    assert gradient.tolist() == [-0.25, 0, -0.25, -0.25]
    assert share.figures["clipped"] == 0.25


def test_an_impossible_ratio_is_masked_and_leaves_a_finite_gradient() -> None:
    logprobs = torch.tensor([-1.0, -1.0], requires_grad=True)
    behaviour = torch.tensor([-1.0, -500.0])
    share = on_policy(logprobs, torch.tensor([1.0]), (2,), behaviour=behaviour)
    (gradient,) = torch.autograd.grad(share.loss, logprobs)
    assert gradient.tolist() == [0, 0], "the whole answer is masked by its mean ratio"


def test_ratio_masks_drop_tokens_and_whole_answers() -> None:
    log_ratio = torch.log(torch.tensor([1.0, 9.0, 1.0, 0.1, 1.0, 7.0, 7.9, 20.0, 20.0]))
    telling = torch.ones(len(log_ratio), dtype=torch.bool)
    kept = ratio_mask(log_ratio, telling=telling, lengths=(2, 3, 4))
    assert kept.tolist() == [True, False, True, False, True, *[False] * 4]


def test_certain_tokens_do_not_hide_that_a_move_is_too_far_off_policy() -> None:
    log_ratio = torch.log(torch.tensor([7.0, 20.0, 1.0, 1.0, 1.0, 1.0]))
    telling = torch.tensor([True, True, False, False, False, False])
    kept = ratio_mask(log_ratio, telling=telling, lengths=(6,))
    assert not kept.any(), "the mean ratio of the two that were not certain is above 10"


def spelled(move: int, *rest: int) -> tuple[list[int], list[list[int]]]:
    """A move that its first token tells from another, and what was allowed for each token."""
    return [move, *rest], [[5, 6], *([one] for one in rest)]


@pytest.mark.parametrize("method", ["dpo", "grpo"])
def test_a_moves_loss_does_not_depend_on_how_many_certain_tokens_its_spelling_has(
    base: FrozenBase, tmp_path: Path, method: str
) -> None:
    """Beside a free example, so that the weight of the move in its step would show."""

    def step(*rest: int) -> tuple[float, torch.Tensor, dict[str, float]]:
        (good, good_allowed), (bad, bad_allowed) = spelled(5, *rest), spelled(6, *rest)
        config: LearningConfig
        if method == "dpo":
            config = DPOConfig.from_json(SMALL_DPO)
            (free,) = some_pairs(1)
            line = {
                "prompt_ids": [1, 2, 3],
                "chosen_ids": good,
                "rejected_ids": bad,
                "noise": 0.1,
                "chosen_allowed_token_ids": good_allowed,
                "rejected_allowed_token_ids": bad_allowed,
            }
        else:
            config = GRPOConfig.from_json(SMALL_GRPO | {"beta": 0.1})
            (free,) = some_groups(1)
            certain = [0.0] * len(rest)
            line = {
                "prompt_ids": [1, 2, 3],
                "answers": [
                    {
                        "ids": ids,
                        "reward": reward,
                        "logprobs": [-0.6, *certain],
                        "allowed_token_ids": allowed,
                    }
                    for ids, allowed, reward in ((good, good_allowed, 1.0), (bad, bad_allowed, 0.0))
                ],
            }
        examples = read(tmp_path, config, [line, free])
        assert len(examples) == 2
        parent = logprobs_of(base, examples, some_adapter(base, seed=1))
        return loss_and_gradient(base, some_adapter(base), config, examples, parent)

    short, long = step(), step(7, 8, 9, 7)
    assert long[0] == pytest.approx(short[0], rel=1e-5)
    torch.testing.assert_close(long[1], short[1], rtol=1e-4, atol=1e-6)
    assert long[2] == pytest.approx(short[2], rel=1e-4)


def test_groups_and_pairs_that_tell_nothing_are_left_out(tmp_path: Path) -> None:
    groups = some_groups(3)
    for answer in groups[1]["answers"]:
        answer["reward"] = 0.5
    examples = read(tmp_path, GRPOConfig.from_json(SMALL_GRPO), groups)
    assert [example.units[0].prompt_ids for example in examples] == [
        tuple(group["prompt_ids"]) for group in (groups[0], groups[2])
    ]
    for example in examples:
        assert sum(answer.advantage for answer in example.answers) == pytest.approx(0)
    pairs = some_pairs(2)
    pairs[0]["rejected_ids"] = pairs[0]["chosen_ids"]
    pairs.append(some_pairs(1)[0] | {"chosen_ids": random.Random(0).choices(range(9), k=60)})
    assert len(read(tmp_path, DPOConfig.from_json(SMALL_DPO), pairs)) == 1
