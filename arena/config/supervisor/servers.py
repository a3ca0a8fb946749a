"""The vLLM servers that are started here: their arguments on CPUs and on a GPU."""

import os
import sys
from collections.abc import Sequence

from agents.adapters.lora import LORA_MODULES, MAX_LORA_RANK
from agents.inference.processor import cpu_dtype
from arena.config.env import Variables
from arena.config.gpu.cards import Card
from arena.config.gpu.hardware import CONTEXT_TOKENS, Hardware
from arena.config.gpu.memory import Plan
from arena.config.supervisor.errors import LocalError

Server = tuple[tuple[str, ...], dict[str, str]]  # command, environment variables

CPU_LORAS, CPU_CONTEXTS = 8, 64
# Adapters that a server keeps in the machine's memory beside those of a batch.
KEPT_ON_CPUS, KEPT_BESIDE_GPUS = 16, 256
COMMON_VARIABLES = {
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
}


def commands(environment: Variables, *, urls: Sequence[str], hardware: Hardware) -> list[Server]:
    """The command and variables of each local server. Raises LocalError for more than fit."""
    if hardware.serving and hardware.plan:
        return [_on_gpu(environment, url, hardware.serving, hardware.plan) for url in urls]
    shares = _shares_of_cores(len(urls))
    return [_on_cpus(environment, url, share) for url, share in zip(urls, shares, strict=True)]


def _shares_of_cores(count: int) -> list[list[int]]:
    """Cores for each of `count` servers; an empty share lets vLLM choose by itself."""
    own = sorted(os.sched_getaffinity(0))
    if count == 1:
        return [[]]
    if count > len(own):
        raise LocalError(f"VLLM_SERVERS is {count}, but this machine has {len(own)} cores.")
    return [own[len(own) * i // count : len(own) * (i + 1) // count] for i in range(count)]


def _on_cpus(environment: Variables, url: str, share: Sequence[int]) -> Server:
    command = [sys.executable, "-m", "agents.inference.serve"]  # vLLM, patched
    command += _arguments(
        environment, url, loras=CPU_LORAS, kept=KEPT_ON_CPUS, contexts=CPU_CONTEXTS
    )
    # Tokens that several answers to one task share are read once: docs/decisions/kv-blocks.md
    command += ["--dtype", cpu_dtype(), "--block-size", "32"]
    variables = {
        **COMMON_VARIABLES,
        "VLLM_CPU_KVCACHE_SPACE": "2",
        # Its worker binds itself to all cores but one, and uses one thread unless told otherwise.
        # Measured: docs/decisions/vllm-on-cpus.md
        "OMP_NUM_THREADS": str(len(share) or len(os.sched_getaffinity(0))),
    }
    if share:
        variables["VLLM_CPU_OMP_THREADS_BIND"] = ",".join(map(str, share))
    return tuple(command), variables


def _on_gpu(environment: Variables, url: str, card: Card, plan: Plan) -> Server:
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    command += _arguments(
        environment, url, loras=plan.loras, kept=KEPT_BESIDE_GPUS, contexts=plan.contexts
    )
    command += ["--dtype", "bfloat16", "--gpu-memory-utilization", f"{plan.share:.3f}"]
    variables = {
        **COMMON_VARIABLES,
        "CUDA_VISIBLE_DEVICES": card.uuid,
        # It would compile its kernels at the first start, which needs a compiler for CUDA.
        "VLLM_USE_FLASHINFER_SAMPLER": "0",
    }
    return tuple(command), variables


def _arguments(
    environment: Variables, url: str, *, loras: int, kept: int, contexts: int
) -> list[str]:
    home = environment.rlfc_home
    model = environment.base_model_path or home / "models" / environment.base_model
    arguments = ["--model", str(model), "--served-model-name", environment.base_model]
    # Its key does not guard every route, so it must not be reachable from other machines.
    arguments += ["--host", "127.0.0.1", "--port", url.rpartition(":")[2]]
    arguments += ["--enable-lora", "--max-loras", str(loras), "--max-cpu-loras", str(kept)]
    arguments += ["--max-lora-rank", str(MAX_LORA_RANK)]
    arguments += ["--lora-target-modules", *LORA_MODULES]
    arguments += ["--max-model-len", str(CONTEXT_TOKENS), "--max-num-seqs", str(contexts)]
    return [*arguments, "--uvicorn-log-level", "warning"]
