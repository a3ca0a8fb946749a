"""What learns in a run: an adapter and the optimizer that moves it."""

from pathlib import Path

import torch

from training.trainers.job import Job
from training.trainers.model.adapter_files import read_parent
from training.trainers.model.base_model import FrozenBase
from training.trainers.model.lora import AdapterWeights, plan_adapter

ADAM_BETAS = (0.9, 0.99)
# Of a run's steps: Adam's first ones are as long as its rate, whatever the gradient.
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
        """All that the next steps depend on; there has been a step."""
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
    """What of the learning rate step `number` (from 0) of a run takes, (0, 1].

    It rises in a line over the first WARM_UP of the steps, and meanwhile the ceiling falls in a line
    to nothing after the last one: what a run learns last is not half learned.
    """
    return min((number + 1) / max(1.0, WARM_UP * steps), 1 - number / steps)


def make_policy(job: Job, base: FrozenBase) -> Policy:
    """The parent, or where there is none a first adapter that changes nothing yet.

    Raises TrainingStopped where the parent does not fit the base.
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
