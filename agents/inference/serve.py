"""vLLM's OpenAI-compatible server, patched for CPUs: python -m agents.inference.serve ARGS; vLLM's own arguments.

What vLLM 0.32 does on a CPU, and what this module does instead (measured:
docs/decisions/vllm-on-cpus.md):

- Its LoRA products copy an adapter's weights for every token (vllm/lora/ops/torch_ops/lora_ops.py).
  Here each adapter's tokens are multiplied together, with float32 weights.
- A token without an adapter carries the index -1 and gets the last slot's weights
  (vllm-project/vllm#48421). Here such tokens belong to no group.
- For top-p it sorts the whole vocabulary for each answer. Here only the likeliest tokens are sorted.
- Its scheduler spins while the worker computes. Here it sleeps until there is a message.

None of this applies to servers on GPUs, so they need no patch.
"""

from typing import Any

import torch
from vllm.config.lora import LoRAConfig
from vllm.distributed.device_communicators.shm_broadcast import SpinCondition
from vllm.lora.punica_wrapper.punica_cpu import PunicaWrapperCPU
from vllm.platforms.cpu import CpuPlatform
from vllm.v1.sample.ops import topk_topp_sampler

# About one notification in a hundred is lost: a sleeper checks by itself after this long.
LONGEST_WAIT_MS = 10
NUCLEUS_TOKENS = 256  # considered for top-p; a distribution that spreads wider is sorted in full


class GroupedAdapters(PunicaWrapperCPU):
    """The products of all adapters of a batch, one adapter after the other."""

    _groups: tuple[tuple[int, slice | torch.Tensor], ...] = ()

    def update_metadata(self, *args: Any, **kwargs: Any) -> None:
        super().update_metadata(*args, **kwargs)
        self.group(self.token_lora_indices)

    def group(self, indices: torch.Tensor) -> None:
        """Group the batch's tokens by adapter; `indices` has each token's slot, -1 for none."""
        slots = [slot for slot in torch.unique(indices).tolist() if slot >= 0]
        self._groups = tuple((slot, _rows((indices == slot).nonzero()[:, 0])) for slot in slots)

    def add_lora_linear(
        self,
        y: torch.Tensor,  # [tokens, outputs of all slices], added to in place
        x: torch.Tensor,  # [tokens, inputs]
        lora_a_stacked: tuple[torch.Tensor, ...],  # one per slice: [slots, 1, rank, inputs]
        lora_b_stacked: tuple[torch.Tensor, ...],  # [slots, 1, outputs, rank]
        scale: float,
        output_slices: tuple[int, ...],
        **kwargs: Any,
    ) -> None:
        assert scale == 1.0, "vLLM has already multiplied B by alpha / rank"
        for slot, rows in self._groups:
            given = x[rows].to(lora_a_stacked[0].dtype)
            end = 0
            for a, b, size in zip(lora_a_stacked, lora_b_stacked, output_slices, strict=True):
                start, end = end, end + size
                y[rows, start:end] += torch.mm(torch.mm(given, a[slot, 0].T), b[slot, 0].T)


def _rows(numbers: torch.Tensor) -> slice | torch.Tensor:
    """The ascending numbers, as a slice if they are consecutive: a slice copies nothing."""
    first, end = int(numbers[0]), int(numbers[-1]) + 1
    return slice(first, end) if end - first == len(numbers) else numbers


def _use_grouped_adapters(platform: type[CpuPlatform]) -> str:
    return f"agents.inference.serve.{GroupedAdapters.__name__}"


_verify_lora = LoRAConfig.verify_with_model_config


def _in_float32(config: LoRAConfig, model_config: Any) -> None:
    if config.lora_dtype in (None, "auto"):
        config.lora_dtype = torch.float32
    _verify_lora(config, model_config)


_sort_and_cut = topk_topp_sampler.apply_top_k_top_p


def keep_nucleus(
    logits: torch.Tensor, k: torch.Tensor | None, p: torch.Tensor | None
) -> torch.Tensor:
    """[B, V] logits, changed in place: -inf for the tokens that `k` and `p`, both [B], cut off.

    A token stays if all likelier tokens together have less than `p` of the probability.
    """
    if p is None or k is not None or logits.shape[1] <= NUCLEUS_TOKENS:
        return _sort_and_cut(logits, k, p)
    likeliest = logits.topk(NUCLEUS_TOKENS, dim=-1).values  # [B, NUCLEUS_TOKENS], descending
    shares = (likeliest - logits.logsumexp(-1, keepdim=True)).exp()
    before = shares.cumsum(-1) - shares
    counts = (before < p[:, None]).sum(-1, keepdim=True).clamp(min=1)  # [B, 1]
    least = likeliest.gather(-1, counts - 1)
    wide = ((counts[:, 0] == NUCLEUS_TOKENS) & (p < 1)).nonzero()[:, 0]
    least[counts == NUCLEUS_TOKENS] = -torch.inf
    logits.masked_fill_(logits < least, -torch.inf)
    if len(wide):
        logits[wide] = _sort_and_cut(logits[wide], None, p[wide])
    return logits


_wait = SpinCondition.wait


def _sleeping(condition: SpinCondition, timeout_ms: int | None = None) -> None:
    condition.busy_loop_s = 0
    _wait(condition, min(timeout_ms or LONGEST_WAIT_MS, LONGEST_WAIT_MS))


# At import, so that engine processes get the patches whether they are forked or spawned.
CpuPlatform.get_punica_wrapper = classmethod(_use_grouped_adapters)  # type: ignore[method-assign,assignment]
LoRAConfig.verify_with_model_config = _in_float32  # type: ignore[method-assign,assignment]
topk_topp_sampler.apply_top_k_top_p = keep_nucleus
SpinCondition.wait = _sleeping  # type: ignore[method-assign,assignment]

if __name__ == "__main__":
    from vllm.entrypoints.launchers.api_server.entry import main

    main()  # type: ignore[no-untyped-call]
