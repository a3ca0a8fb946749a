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
    def tokens(self) -> int:
        """Answer tokens over which a step averages, at least 1: those that were not certain."""
        return max(1, sum(sum(answer) for unit in self.units for answer in unit.telling))

    @property
    def chosen_tokens(self) -> int:
        """As `tokens`, of the better answers of pairs."""
        return max(1, sum(sum(unit.telling[0]) for unit in self.units))

    @property
    def figures(self) -> dict[str, float]:
        """Figures that are known without a forward pass."""
        rewards = [answer.reward for example in self.examples for answer in example.answers]
        return {"reward": sum(rewards) / len(rewards)} if rewards else {}

    def parent_of(self, row: Row) -> torch.Tensor:
        """[N] log-probabilities of the row's answer tokens under the parent, on the CPU."""
        of_units = [logprobs for example in self.parent for logprobs in example]
        return torch.cat([of_units[unit] for unit in row.units])
