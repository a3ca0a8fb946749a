"""What a run trains: an adapter, and the optimizer that moves it."""

from pathlib import Path

import torch

from training.trainers.job import Job
from training.trainers.model.adapter_files import read_parent
from training.trainers.model.base_model import FrozenBase
from training.trainers.model.lora import AdapterWeights, plan_adapter

ADAM_BETAS = (0.9, 0.99)
# Share of a run's steps. Adam's first steps are as long as the rate, whatever the gradient.
# Measured: docs/decisions/learning-rate.md
WARM_UP = 0.2
_MOMENTS = ("exp_avg", "exp_avg_sq")


class Policy:
    """One flat vector of weights, moved by AdamW without weight decay."""

    def __init__(self, adapter: AdapterWeights, *, learning_rate: float) -> None:
        self.adapter = adapter
        self._learning_rate = learning_rate
        self._optimizer = torch.optim.AdamW(
            [adapter.values], lr=learning_rate, betas=ADAM_BETAS, weight_decay=0.0, fused=True
        )

    def move(self, *, share: float) -> None:
        """Take a step along the adapter's gradient; `share` of the learning rate, (0, 1]."""
        self._optimizer.param_groups[0]["lr"] = self._learning_rate * share
        self._optimizer.step()
        self.adapter.refresh()

    def state(self) -> dict[str, torch.Tensor]:
        """Everything that the next steps depend on; needs at least one step."""
        state = self._optimizer.state[self.adapter.values]
        return {"values": self.adapter.values, "step": state["step"]} | {
            name: state[name] for name in _MOMENTS
        }

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        with torch.no_grad():
            self.adapter.values.copy_(state["values"])
        self.adapter.refresh()
        device = self.adapter.values.device
        self._optimizer.state[self.adapter.values] = {"step": state["step"].to(device)} | {
            name: state[name].to(device) for name in _MOMENTS
        }


def rate_share(number: int, steps: int) -> float:
    """The share of the learning rate for step `number` (from 0) of a run, (0, 1].

    It rises linearly over the first WARM_UP of the steps, under a ceiling that falls linearly to zero
    after the last step, so that a run does not end in the middle of a large step.
    """
    return min((number + 1) / max(1.0, WARM_UP * steps), 1 - number / steps)


def make_policy(job: Job, base: FrozenBase) -> Policy:
    """The parent's adapter, or a first adapter that changes nothing yet if there is none.

    Raises TrainingStopped if the parent does not fit the base.
    """
    config = job.config
    if job.parent_adapter_path:
        plan, tensors = read_parent(Path(job.parent_adapter_path), shapes=base.shapes)
        adapter = base.room_for(plan)
        adapter.load(tensors)
    else:
        plan = plan_adapter(
            config.target_modules, rank=config.rank, alpha=config.alpha, shapes=base.shapes
        )
        adapter = base.room_for(plan)
        adapter.initialize(seed=config.seed)
    return Policy(adapter, learning_rate=config.learning_rate)
