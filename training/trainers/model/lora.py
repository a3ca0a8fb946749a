"""Low-rank adapters (Hu et al. 2021, arXiv:2106.09685), many on one frozen base.

An adapter's weights are one flat float32 vector, and the matrices are views of it. The gradient is
laid out the same way, as is a copy in the base's type that the products use. So an optimizer step is
a handful of operations, whatever the number of layers.
"""

import math
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from agents.adapters.lora import LORA_MODULES
from training.configs.configs import ATTENTION_MODULES, Targets
from training.trainers.stopped import TrainingStopped

# Numbers summed by one thread, so that a norm has the same bits for any number of threads.
NORM_CHUNK = 4096
TENSOR_PREFIX = "base_model.model."

Shapes = Mapping[str, tuple[int, int]]  # {module: (outputs, inputs)}


@dataclass(frozen=True)
class AdapterPlan:
    """Everything about an adapter except its weights."""

    rank: int
    alpha: int
    modules: tuple[str, ...]  # full names in the order of the base's layers

    @property
    def scale(self) -> float:
        return self.alpha / self.rank


@dataclass(frozen=True)
class _Pair:
    """The two matrices of a layer: A [rank, inputs] and B [outputs, rank]."""

    a: torch.Tensor  # float32 leaf, view of the flat vector
    b: torch.Tensor
    fast_a: torch.Tensor  # the same in the base's type
    fast_b: torch.Tensor


class AdapterWeights:
    """One adapter's weights, their gradient, and the copy that the products use."""

    def __init__(
        self, plan: AdapterPlan, shapes: Shapes, *, dtype: torch.dtype, device: torch.device
    ) -> None:
        self.plan = plan
        size = sum(plan.rank * sum(shapes[module]) for module in plan.modules)
        self.values = torch.zeros(size + -size % NORM_CHUNK, device=device, requires_grad=True)
        self.grad = torch.zeros_like(self.values)
        self.values.grad = self.grad
        self._fast = torch.zeros_like(self.values, dtype=dtype)
        self.pairs: dict[str, _Pair] = {}
        at = 0
        for module in plan.modules:
            outputs, inputs = shapes[module]
            a, fast_a, at = self._matrix(at, plan.rank, inputs)
            b, fast_b, at = self._matrix(at, outputs, plan.rank)
            self.pairs[module] = _Pair(a, b, fast_a, fast_b)

    def _matrix(self, at: int, rows: int, columns: int) -> tuple[torch.Tensor, torch.Tensor, int]:
        end = at + rows * columns
        matrix = self.values.detach()[at:end].view(rows, columns).requires_grad_()
        matrix.grad = self.grad[at:end].view(rows, columns)  # autograd adds to it in place
        return matrix, self._fast[at:end].view(rows, columns), end

    def initialize(self, *, seed: int) -> None:
        """Initialise as PEFT does: A uniform within 1 / sqrt(inputs), B zero."""
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for pair in self.pairs.values():
                bound = 1 / math.sqrt(pair.a.shape[1])
                drawn = torch.empty(pair.a.shape).uniform_(-bound, bound, generator=generator)
                pair.a.copy_(drawn)
        self.refresh()

    def refresh(self) -> None:
        """Call after `values` have changed."""
        with torch.no_grad():
            self._fast.copy_(self.values)

    def clip_gradient(self, *, length: float) -> float:
        """Scale the gradient down to `length` if it is longer; return its original length."""
        norm = float(self.grad.view(-1, NORM_CHUNK).square().sum(1).sum().sqrt())
        self.grad.mul_(min(1.0, length / (norm + 1e-6)))
        return norm

    def tensors(self) -> dict[str, torch.Tensor]:
        """The matrices under PEFT's names."""
        return {
            f"{TENSOR_PREFIX}{module}.lora_{side}.weight": matrix.detach()
            for module, pair in self.pairs.items()
            for side, matrix in (("A", pair.a), ("B", pair.b))
        }

    def load(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Take weights that `read_parent` has checked."""
        for name, own in self.tensors().items():
            own.copy_(tensors[name])
        self.refresh()


def plan_adapter(targets: Targets, *, rank: int, alpha: int, shapes: Shapes) -> AdapterPlan:
    """The plan of a first adapter. Raises TrainingStopped if the base has no such layers."""
    wanted = ATTENTION_MODULES if targets is Targets.ATTENTION else LORA_MODULES
    modules = tuple(name for name in shapes if name.rpartition(".")[2] in wanted)
    if not modules:
        raise TrainingStopped(f"The base model has no layers that {targets} could adapt.")
    return AdapterPlan(rank=rank, alpha=alpha, modules=modules)


class LoraLinear(nn.Module):
    """A frozen linear layer to which the adapter in use, if any, adds its product."""

    def __init__(self, linear: nn.Linear, *, name: str) -> None:
        super().__init__()
        self.linear = linear
        self.name = name

    @property
    def weight(self) -> torch.Tensor:
        return self.linear.weight

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        adapter = _in_use.adapter
        pair = None if adapter is None else adapter.pairs.get(self.name)
        if adapter is None or pair is None:
            return frozen_product(inputs, self.linear)
        product: torch.Tensor = _LoraProduct.apply(  # type: ignore[no-untyped-call]
            inputs, self.linear, pair.a, pair.b, pair.fast_a, pair.fast_b, adapter.plan.scale
        )
        return product


class _InUse(threading.local):
    adapter: AdapterWeights | None = None


_in_use = _InUse()


@contextmanager
def using(adapter: AdapterWeights | None) -> Iterator[None]:
    """Within it, this thread's forward passes use `adapter`; None: the plain base."""
    before, _in_use.adapter = _in_use.adapter, adapter
    try:
        yield
    finally:
        _in_use.adapter = before


def attach(model: nn.Module, *, names: Iterable[str]) -> None:
    """Replace these linear layers of `model` with ones that an adapter can join."""
    for name in names:
        parent, _, leaf = name.rpartition(".")
        owner = model.get_submodule(parent)
        linear = getattr(owner, leaf)
        setattr(owner, leaf, LoraLinear(linear, name=name))


def dense_weight(linear: nn.Linear) -> torch.Tensor:
    """[outputs, inputs] in the products' type; unpacked each time if held in nf4."""
    state = getattr(linear.weight, "quant_state", None)
    if state is None:
        return linear.weight
    from bitsandbytes.functional import dequantize_4bit  # noqa: PLC0415 bf16 needs no bitsandbytes

    # Weights that it has packed for CPU inference (in evaluation mode) cannot be unpacked.
    assert not getattr(state, "packing_format_for_cpu", False), "packed for inference"
    weight: torch.Tensor = dequantize_4bit(linear.weight, state)
    return weight


def frozen_product(inputs: torch.Tensor, linear: nn.Linear) -> torch.Tensor:
    if not torch.is_grad_enabled() or not inputs.requires_grad:
        return nn.functional.linear(inputs, dense_weight(linear), linear.bias)
    product: torch.Tensor = _FrozenProduct.apply(inputs, linear)  # type: ignore[no-untyped-call]
    return product


class _FrozenProduct(torch.autograd.Function):
    """x W^T + b; W is unpacked again for the gradient instead of being kept."""

    @staticmethod
    def forward(ctx: Any, inputs: torch.Tensor, linear: nn.Linear) -> torch.Tensor:
        ctx.linear = linear
        return nn.functional.linear(inputs, dense_weight(linear), linear.bias)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[Any, ...]:
        return grads[0] @ dense_weight(ctx.linear), None


class _LoraProduct(torch.autograd.Function):
    """x W^T + b + scale (x A^T) B^T. A and B are float32; products use their fast copies."""

    @staticmethod
    def forward(
        ctx: Any,
        inputs: torch.Tensor,  # [..., inputs]
        linear: nn.Linear,
        a: torch.Tensor,
        b: torch.Tensor,
        fast_a: torch.Tensor,
        fast_b: torch.Tensor,
        scale: float,
    ) -> torch.Tensor:
        rows = inputs.reshape(-1, inputs.shape[-1])  # [T, inputs]
        low = rows @ fast_a.T  # [T, rank]
        out = nn.functional.linear(rows, dense_weight(linear), linear.bias)
        out.addmm_(low, fast_b.T, alpha=scale)
        ctx.save_for_backward(inputs, low)
        ctx.linear, ctx.fast_a, ctx.fast_b, ctx.scale = linear, fast_a, fast_b, scale
        return out.view(*inputs.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[Any, ...]:
        inputs, low = ctx.saved_tensors
        grad = grads[0].reshape(low.shape[0], -1)  # [T, outputs]
        rows = inputs.reshape(-1, inputs.shape[-1])
        grad_low = (grad @ ctx.fast_b).mul_(ctx.scale)  # [T, rank]
        grad_a = (grad_low.T @ rows).float()
        grad_b = (grad.T @ low).mul_(ctx.scale).float()
        grad_inputs = None
        if ctx.needs_input_grad[0]:
            grad_inputs = (grad @ dense_weight(ctx.linear)).addmm_(grad_low, ctx.fast_a)
            grad_inputs = grad_inputs.view(inputs.shape)
        return grad_inputs, None, grad_a, grad_b, None, None, None
