"""The examples of one optimizer step, and their log-probabilities under the parent."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from training.methods.examples import Example, Unit
from training.trainers.model.packing import Row

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
    def answer_tokens(self) -> int:
        return sum(example.answer_tokens for example in self.examples)

    @property
    def figures(self) -> dict[str, float]:
        """Figures that are known without a forward pass."""
        rewards = [answer.reward for example in self.examples for answer in example.answers]
        return {"reward": sum(rewards) / len(rewards)} if rewards else {}

    def parent_of(self, row: Row) -> torch.Tensor:
        """[N] log-probabilities of the row's answer tokens under the parent, on the CPU."""
        of_units = [logprobs for example in self.parent for logprobs in example]
        return torch.cat([of_units[unit] for unit in row.units])
