"""vLLM's OpenAI-compatible server, with one fault of its CPU path mended: python -m agents.serve ...

In a batch that mixes adapters, requests to the plain base carry the adapter index -1. vLLM 0.32's
kernels for CPUs (vllm/lora/ops/torch_ops/lora_ops.py) use it as an index into the stacked
weights, where -1 is the last slot: once as many adapters as `--max-loras` have been used, the
base answers with one of them. Measured with SmolLM2-135M and 8 slots: the base's
log-probabilities move by 0.14 to 1.4 nats a token as soon as an adapter is asked beside it.
The kernels for GPUs skip such rows. Known upstream as vllm-project/vllm#48421; once that is in the
vLLM used here, start vLLM itself instead. Takes vLLM's own arguments.
"""

from typing import Any

import vllm.lora.ops.torch_ops as operations
from vllm.lora.ops.torch_ops import lora_ops

_shrink = lora_ops.bgmv_shrink


def bgmv_shrink(
    inputs: Any, weights: Any, output: Any, adapter_indices: Any, scaling: float = 1.0
) -> None:
    """output [tokens, rank] = scaling * inputs @ A; zero for tokens without an adapter.

    What is zero here stays zero when it is expanded by B: such a token keeps the base's value.
    """
    _shrink(inputs, weights, output, adapter_indices, scaling)
    output.masked_fill_((adapter_indices < 0).unsqueeze(1), 0)


# At import, so that engine processes have it whether they are forked or spawned. `sgmv_shrink`
# finds the function in its own module, the others where they import it from.
lora_ops.bgmv_shrink = bgmv_shrink  # type: ignore[assignment]
operations.bgmv_shrink = bgmv_shrink  # type: ignore[assignment]

if __name__ == "__main__":
    from vllm.entrypoints.launchers.api_server.entry import main

    main()  # type: ignore[no-untyped-call]
