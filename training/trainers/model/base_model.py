"""The frozen base: loaded once, read by many adapters."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.utils.logging import disable_progress_bar

from agents.inference.processor import cpu_dtype
from training.configs.configs import Precision
from training.trainers.model.attention import ATTENTION_NAME, attending, chunk_row
from training.trainers.model.lora import AdapterPlan, AdapterWeights, attach, dense_weight, using
from training.trainers.model.packing import Row
from training.trainers.stopped import DeviceMissing, TrainingStopped

# A base in nf4 is unpacked once if that fits into this share of the free memory. The weights, and so
# the adapter, are the same bit for bit, without unpacking each layer twice per row.
UNPACKED_SHARE_OF_FREE_MEMORY = 0.25
NO_GPU = (
    "The training machine has no GPU now, and this site trains on one (TRAIN_DEVICE is cuda). The run "
    "goes on once there is one."
)
HEAD_CHUNK = 512  # tokens whose logits are computed at once


@dataclass(frozen=True)
class FrozenBase:
    """A causal language model whose linear layers adapters can join."""

    model: PreTrainedModel
    shapes: dict[str, tuple[int, int]]  # {linear layer: (outputs, inputs)}, never the LM head
    vocabulary: int
    group: int  # attention heads that share their keys
    device: torch.device
    dtype: torch.dtype

    def room_for(self, plan: AdapterPlan) -> AdapterWeights:
        """An adapter whose weights are zero."""
        return AdapterWeights(plan, self.shapes, dtype=self.dtype, device=self.device)

    def hidden_states(self, row: Row, adapter: AdapterWeights | None) -> torch.Tensor:
        """[H, width] that the row's heads predict from; adapter None: the plain base's."""
        chunks = chunk_row(row, group=self.group, dtype=self.dtype, device=self.device)
        row = row.to(self.device)
        with using(adapter), attending(chunks):
            hidden: torch.Tensor = self.model.base_model(
                input_ids=row.ids[None],
                position_ids=row.positions[None],
                use_cache=False,
            ).last_hidden_state[0]  # [T, width]
        return hidden[row.heads]

    def token_logprobs(self, row: Row, adapter: AdapterWeights | None) -> torch.Tensor:
        """[N] float32 log-probabilities of the row's answer tokens; adapter None: the plain base's.

        Those of restricted tokens are normalised over what was allowed in their place.
        """
        hidden = self.hidden_states(row, adapter)
        row = row.to(self.device)
        restriction = row.restriction
        if restriction is None:
            return self._free_logprobs(hidden, row.head_of, row.targets)
        logprobs = torch.zeros(len(row.targets), device=self.device)
        if len(restriction.others):
            heads, head_of = row.head_of[restriction.others].unique(return_inverse=True)
            free = self._free_logprobs(hidden[heads], head_of, row.targets[restriction.others])
            logprobs = logprobs.index_put((restriction.others,), free)
        # Multiplied by the embeddings of the allowed tokens only, not of the whole vocabulary.
        logits = hidden[row.head_of[restriction.tokens]] @ self._head[restriction.ids].T  # [R, U]
        among = logits.float().masked_fill(~restriction.allowed, -torch.inf).log_softmax(-1)
        drawn = among.gather(-1, restriction.drawn[:, None])[:, 0]
        return logprobs.index_put((restriction.tokens,), drawn)

    def _free_logprobs(
        self, hidden: torch.Tensor, head_of: torch.Tensor, targets: torch.Tensor
    ) -> torch.Tensor:
        logprobs: torch.Tensor = _TokenLogprobs.apply(  # type: ignore[no-untyped-call]
            hidden, self._head, head_of, targets
        )
        return logprobs

    def divergences(
        self, row: Row, adapter: AdapterWeights, reference: torch.Tensor
    ) -> torch.Tensor:
        """[H] float32 KL(reference || adapted) of the token after each of the row's heads.

        `reference`: [H, width], as from `hidden_states` for the same row.
        """
        divergences: torch.Tensor = _Divergences.apply(  # type: ignore[no-untyped-call]
            self.hidden_states(row, adapter), self._head, reference
        )
        return divergences

    @property
    def _head(self) -> torch.Tensor:
        head: torch.Tensor = self.model.get_output_embeddings().weight  # [vocabulary, width]
        return head


def choose_device(wanted: str) -> torch.device:
    """The device to use. Raises DeviceMissing if the wanted one is not available."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise DeviceMissing(NO_GPU)
    return torch.device(wanted)


def compute_dtype(device: torch.device) -> torch.dtype:
    """The type in which the base is held and computed, the same as on the server that plays it."""
    return torch.bfloat16 if device.type == "cuda" else getattr(torch, cpu_dtype())


def load_base(path: Path, *, precision: Precision, device: torch.device) -> FrozenBase:
    """Read the model in `path`. Raises TrainingStopped if it cannot be read."""
    disable_progress_bar()
    dtype = compute_dtype(device)
    arguments: dict[str, Any] = {}
    if precision is Precision.NF4:
        from transformers import BitsAndBytesConfig  # noqa: PLC0415 bf16 needs no bitsandbytes

        # Dettmers et al. 2023, arXiv:2305.14314.
        arguments["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=dtype,
        )
    try:
        model = AutoModelForCausalLM.from_pretrained(
            path,
            dtype=dtype,
            device_map={"": device},
            local_files_only=True,
            **arguments,
        )
    except (OSError, ValueError) as error:
        # The library's words name files of this machine: they are for the trainer's log.
        sys.stderr.write(f"{path}: {error}\n")
        raise TrainingStopped(
            "The base model cannot be read; the trainer's log says why."
        ) from error
    return wrap_base(model)


def wrap_base(model: PreTrainedModel) -> FrozenBase:
    """Freeze the model and give its linear layers room for adapters."""
    model.set_attn_implementation(ATTENTION_NAME)
    model.requires_grad_(False)
    # bitsandbytes repacks nf4 weights for CPUs in evaluation mode, into a layout whose product has
    # no gradient. Nothing else differs: there is no dropout.
    model.train()
    head = model.get_output_embeddings()
    linears = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and module is not head
    }
    device = next(model.parameters()).device
    _unpack(linears, itemsize=head.weight.dtype.itemsize, free_bytes=_free_bytes(device))
    shapes = {name: (linear.out_features, linear.in_features) for name, linear in linears.items()}
    attach(model, names=shapes)
    config = model.config
    return FrozenBase(
        model=model,
        shapes=shapes,
        vocabulary=len(head.weight),
        group=config.num_attention_heads // config.num_key_value_heads,
        device=device,
        dtype=head.weight.dtype,
    )


def _unpack(linears: dict[str, nn.Linear], *, itemsize: int, free_bytes: int) -> None:
    packed = [
        linear
        for linear in linears.values()
        if getattr(linear.weight, "quant_state", None) is not None
    ]
    needed = sum(itemsize * linear.out_features * linear.in_features for linear in packed)
    if needed > free_bytes * UNPACKED_SHARE_OF_FREE_MEMORY:
        return
    for linear in packed:
        linear.weight = nn.Parameter(dense_weight(linear), requires_grad=False)


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


class _TokenLogprobs(torch.autograd.Function):
    """log softmax(hidden W^T) at the targets, in float32, keeping neither logits nor softmax.

    hidden [H, width], weight [V, width] frozen, head_of and targets [N] -> [N]. The gradient of a
    head is its targets' embeddings minus the mean embedding under its softmax; these means are all
    that the backward pass needs.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        head_of: torch.Tensor,
        targets: torch.Tensor,
    ) -> torch.Tensor:
        chosen = torch.empty(len(targets), device=hidden.device)
        means = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        for start in range(0, len(hidden), HEAD_CHUNK):
            part = slice(start, start + HEAD_CHUNK)
            logprobs = (hidden[part] @ weight.T).log_softmax(-1, dtype=torch.float32)
            here = ((head_of >= start) & (head_of < start + HEAD_CHUNK)).nonzero()[:, 0]
            chosen[here] = logprobs[head_of[here] - start, targets[here]]
            if means is not None:
                means[part] = logprobs.exp_().to(weight.dtype) @ weight
        ctx.save_for_backward(means, weight, head_of, targets)
        return chosen

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[Any, ...]:
        means, weight, head_of, targets = ctx.saved_tensors
        pulls = grads[0][:, None] * (weight[targets].float() - means[head_of].float())
        grad = torch.zeros(means.shape, device=means.device)
        grad.index_put_((head_of,), pulls, accumulate=True)
        return grad.to(means.dtype), None, None, None


class _Divergences(torch.autograd.Function):
    """KL(softmax(reference W^T) || softmax(hidden W^T)) in float32, keeping no logits.

    hidden, reference [H, width], weight [V, width] frozen -> [H]. The gradient of a hidden state is
    the mean embedding under its own softmax minus that under the reference's.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, reference: torch.Tensor
    ) -> torch.Tensor:
        found = torch.empty(len(hidden), device=hidden.device)
        pulls = torch.empty_like(hidden)
        for start in range(0, len(hidden), HEAD_CHUNK):
            part = slice(start, start + HEAD_CHUNK)
            own = (hidden[part] @ weight.T).log_softmax(-1, dtype=torch.float32)
            wanted = (reference[part] @ weight.T).log_softmax(-1, dtype=torch.float32)
            shares = wanted.exp()
            found[part] = (shares * wanted.sub_(own)).sum(-1)
            pulls[part] = own.exp_().sub_(shares).to(weight.dtype) @ weight
        ctx.save_for_backward(pulls)
        return found

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[Any, ...]:
        (pulls,) = ctx.saved_tensors
        return (grads[0][:, None] * pulls.float()).to(pulls.dtype), None, None
