"""The scalar head of a judge, and its loss."""

from pathlib import Path

import torch
from safetensors.torch import save
from torch.nn.functional import logsigmoid

from agents.files import write_atomically
from training.trainers.judging.job import HEAD_FILE
from training.trainers.policy import ADAM_BETAS

_MOMENTS = ("exp_avg", "exp_avg_sq")


class Head:
    """score = weight . state / sqrt(width) + bias; all zero at first."""

    def __init__(self, width: int, *, learning_rate: float, device: torch.device) -> None:
        self.values = torch.zeros(width + 1, device=device, requires_grad=True)  # the bias is last
        self._scale = width**-0.5
        self._learning_rate = learning_rate
        self._optimizer = torch.optim.AdamW(
            [self.values], lr=learning_rate, betas=ADAM_BETAS, weight_decay=0.0, fused=True
        )

    def scores(self, states: torch.Tensor) -> torch.Tensor:
        """States [A, width] of the answers' last tokens -> [A] float32."""
        scores: torch.Tensor = states.float() @ self.values[:-1] * self._scale + self.values[-1]
        return scores

    def move(self, *, share: float, clip: float) -> float:
        """Take a step along the gradient, at most `clip` long; return the gradient's length."""
        norm = float(torch.nn.utils.clip_grad_norm_([self.values], clip))
        self._optimizer.param_groups[0]["lr"] = self._learning_rate * share
        self._optimizer.step()
        self._optimizer.zero_grad()
        return norm

    def state(self) -> dict[str, torch.Tensor]:
        state = self._optimizer.state[self.values]
        named = {"values": self.values, "step": state["step"]}
        named |= {name: state[name] for name in _MOMENTS}
        return {f"head.{name}": tensor for name, tensor in named.items()}

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        with torch.no_grad():
            self.values.copy_(state["head.values"])
        device = self.values.device
        self._optimizer.state[self.values] = {
            name: state[f"head.{name}"].to(device) for name in ("step", *_MOMENTS)
        }

    def save(self, folder: Path) -> None:
        """Write it scaled: whoever scores needs only weight [width] and bias [1]. Raises OSError."""
        values = self.values.detach().cpu()
        tensors = {"weight": values[:-1] * self._scale, "bias": values[-1:].clone()}
        write_atomically(folder / HEAD_FILE, save(tensors))


def group_loss(scores: torch.Tensor, *, is_absolute: bool, absolute_weight: float) -> torch.Tensor:
    """[A] scores of a group, the better answer's first -> its loss.

    The Bradley-Terry loss of the better answer against each other one (Ouyang et al. 2022,
    arXiv:2203.02155, equation 1), and the cross entropy of doing what was asked where that is known.
    """
    better, worse = scores[0], scores[1:]
    loss = -logsigmoid(better - worse).mean()
    if is_absolute:
        entropy = -(logsigmoid(better) + logsigmoid(-worse).mean()) / 2
        loss = loss + absolute_weight * entropy
    return loss
