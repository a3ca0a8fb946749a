"""How a GPU's memory is shared between vLLM and the trainer, decided before either starts. Pure.

The terms are counted from the base model's shape; the two allowances stand for what neither program
tells in advance: docs/decisions/gpu-memory.md. vLLM gets what it can use and no more, so that a small base leaves room for others.
"""

from dataclasses import dataclass

from training.configs.configs import Precision, fitting

MIB = 1024**2
# A CUDA context, CUDA graphs and the widest activations of vLLM's own profiling run.
SERVING_ALLOWANCE_MIB = 2048
# A CUDA context and the allocator's fragments.
TRAINING_ALLOWANCE_MIB = 1024
LEAST_CONTEXTS = 8  # full contexts that must fit at once
MOST_CONTEXTS = 256  # more answers at once gain no throughput
FEWEST_LORAS, MOST_LORAS = 4, 32  # adapters in one batch
ROW_TOKENS = 4096  # of one training pass: its widest row
# Bytes that a pass keeps for each token, layer and unit of width: attention's and the MLP's inputs and
# products in bfloat16, and those of their adapters.
BYTES_A_UNIT = 40
# A float32 weight of an adapter, its gradient and two moments.
BYTES_A_TRAINED_WEIGHT = 16
NF4_SHARE = 0.28  # of the bytes of bfloat16, with its scales and what stays unpacked


class TooLittleMemory(Exception):
    """The GPU's free memory does not hold what was asked for; the sentence has the figures."""


@dataclass(frozen=True)
class BaseShape:
    """What a base model's memory depends on."""

    weight_bytes: int  # in bfloat16
    layers: int
    width: int
    intermediate: int
    key_value_heads: int
    head_size: int
    query_heads: int

    @property
    def key_value_bytes(self) -> int:
        """Of one token in the cache, in bfloat16."""
        return self.layers * 2 * self.key_value_heads * self.head_size * 2

    def adapter_weights(self, rank: int) -> int:
        """Number of weights of an adapter on all linear layers."""
        queries, keys = self.query_heads * self.head_size, self.key_value_heads * self.head_size
        attention = 2 * (self.width + queries) + 2 * (self.width + keys)  # q and o, k and v
        mlp = 3 * (self.width + self.intermediate)
        return self.layers * rank * (attention + mlp)


@dataclass(frozen=True)
class Plan:
    """What vLLM is told, and what the trainer may expect."""

    serving_mib: int
    share: float  # of the whole GPU, for --gpu-memory-utilization
    loras: int  # adapters in one batch
    contexts: int  # answers at once
    training_mib: int  # 0: the trainer is elsewhere
    nf4: bool  # in which training is done: see training.configs.configs.fitting

    @property
    def sentence(self) -> str:
        training = (
            f"; training may take {_gib(self.training_mib)}"
            f" ({'nf4' if self.nf4 else 'bf16'} fits best)"
            if self.training_mib
            else ""
        )
        return (
            f"Serving takes {_gib(self.serving_mib)} for {self.contexts} answers and "
            f"{self.loras} adapters at once{training}."
        )


def plan(
    base: BaseShape,
    *,
    total_mib: int,
    free_mib: int,
    context_tokens: int,
    rank: int,
    trained_together: int,
    servers: int = 1,
    trains_here: bool = True,
) -> Plan:
    """Share the free memory of one GPU. Raises TooLittleMemory."""
    training = _training_mib(base, rank=rank, together=trained_together) if trains_here else 0
    fewest = _serving_mib(
        base, contexts=LEAST_CONTEXTS, tokens=context_tokens, loras=FEWEST_LORAS, rank=rank
    )
    if servers * fewest + training > free_mib:
        others = total_mib - free_mib
        raise TooLittleMemory(
            f"Serving needs at least {_gib(servers * fewest)}"
            + (f" and training {_gib(training)}" if training else "")
            + f", but only {_gib(free_mib)} of {_gib(total_mib)} are free"
            + (f": other programs hold {_gib(others)}." if others > total_mib // 20 else ".")
        )
    room = (free_mib - training) // servers
    loras = FEWEST_LORAS
    while loras < MOST_LORAS and room >= _serving_mib(
        base, contexts=4 * LEAST_CONTEXTS, tokens=context_tokens, loras=2 * loras, rank=rank
    ):
        loras *= 2
    contexts = LEAST_CONTEXTS
    while contexts < MOST_CONTEXTS and room >= _serving_mib(
        base, contexts=2 * contexts, tokens=context_tokens, loras=loras, rank=rank
    ):
        contexts *= 2
    serving = _serving_mib(base, contexts=contexts, tokens=context_tokens, loras=loras, rank=rank)
    return Plan(
        serving_mib=serving,
        share=serving / total_mib,
        loras=loras,
        contexts=contexts,
        training_mib=training,
        nf4=fitting(base.weight_bytes) is Precision.NF4,
    )


def _serving_mib(base: BaseShape, *, contexts: int, tokens: int, loras: int, rank: int) -> int:
    cached = contexts * tokens * base.key_value_bytes
    adapters = loras * base.adapter_weights(rank) * 2
    return SERVING_ALLOWANCE_MIB + _mib(base.weight_bytes + cached + adapters)


def _training_mib(base: BaseShape, *, rank: int, together: int) -> int:
    is_packed = fitting(base.weight_bytes) is Precision.NF4
    weights = base.weight_bytes * (NF4_SHARE if is_packed else 1.0)
    kept = ROW_TOKENS * base.layers * base.width * BYTES_A_UNIT
    adapters = together * base.adapter_weights(rank) * BYTES_A_TRAINED_WEIGHT
    return TRAINING_ALLOWANCE_MIB + _mib(weights + kept + adapters)


def _mib(count: float) -> int:
    return -int(-count // MIB)


def _gib(mib: int) -> str:
    return f"{mib / 1024:.1f} GiB"
