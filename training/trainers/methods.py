"""What DPO and GRPO each do with a row: gather what their loss needs of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from training.configs.configs import DPOConfig, GRPOConfig, LearningConfig, Precision
from training.trainers.examples import Example
from training.trainers.loss import Share, dpo_share, grpo_share, ratio_mask
from training.trainers.model.packing import Row, Unit

ParentLogprobs = Sequence[Sequence[torch.Tensor]]  # by example, by unit: [answer tokens]


@dataclass(frozen=True)
class Step:
    """The examples of one optimizer step."""

    examples: tuple[Example, ...]
    parent: ParentLogprobs

    @property
    def units(self) -> list[Unit]:
        return [unit for example in self.examples for unit in example.units]

    @property
    def parent_of_units(self) -> list[torch.Tensor]:
        return [logprobs for example in self.parent for logprobs in example]

    @property
    def answer_tokens(self) -> int:
        return sum(example.answer_tokens for example in self.examples)


def row_share(config: LearningConfig, step: Step, row: Row, logprobs: torch.Tensor) -> Share:
    """The row's share of the step's loss and figures; `logprobs`: [N] under the policy."""
    parent = torch.cat([step.parent_of_units[unit] for unit in row.units]).to(logprobs.device)
    match config:
        case DPOConfig():
            return _dpo(config, step, row, logprobs, parent)
        case GRPOConfig():
            return _grpo(config, step, row, logprobs, parent)
    raise TypeError(f"no loss for {type(config).__name__}")


def _dpo(
    config: DPOConfig, step: Step, row: Row, logprobs: torch.Tensor, parent: torch.Tensor
) -> Share:
    noise = [step.examples[unit].noise for unit in row.units]  # a pair is one unit
    return dpo_share(
        logprobs,
        parent,
        torch.tensor(noise, device=logprobs.device),
        lengths=row.lengths,
        beta=config.beta,
        sft_weight=config.sft_weight,
        preference_weight=config.preference_weight,
        step_pairs=len(step.examples),
        step_chosen_tokens=sum(len(example.units[0].answers[0]) for example in step.examples),
        step_tokens=step.answer_tokens,
    )


def _grpo(
    config: GRPOConfig, step: Step, row: Row, logprobs: torch.Tensor, parent: torch.Tensor
) -> Share:
    answers = [answer for example in step.examples for answer in example.answers]
    here = [answers[unit] for unit in row.units]
    stored = [
        torch.tensor(answer.behaviour) if answer.behaviour else own
        for answer, own in zip(here, torch.split(parent.cpu(), list(row.lengths)), strict=True)
    ]
    stored_logprobs = torch.cat(stored).to(logprobs.device)
    # Stored ones hold the error of nf4; the parent's own do not. The stored ones still tell which
    # answers the parent would hardly give any more. Measured: docs/decisions/nf4-behaviour.md
    if config.precision is Precision.NF4:
        behaviour = parent
        usable = ratio_mask(parent - stored_logprobs, lengths=row.lengths)
    else:
        behaviour = stored_logprobs
        usable = torch.ones_like(parent, dtype=torch.bool)
    return grpo_share(
        logprobs,
        behaviour,
        parent,
        torch.tensor([answer.advantage for answer in here], device=logprobs.device),
        usable=usable,
        lengths=row.lengths,
        clip_low=config.clip_low,
        clip_high=config.clip_high,
        beta=config.beta,
        step_tokens=step.answer_tokens,
    )


def step_figures(step: Step) -> dict[str, float]:
    """What is known of a step without a forward pass."""
    rewards = [answer.reward for example in step.examples for answer in example.answers]
    return {"reward": sum(rewards) / len(rewards)} if rewards else {}
