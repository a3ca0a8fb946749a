"""In which type a base model computes on this machine's processor. Pure but for /proc/cpuinfo."""

from functools import cache
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
# Processors that multiply bfloat16 themselves (x86: Cooper Lake, Zen 4 and later; Arm: v8.6).
# Elsewhere products fall back to code that is seven times slower than float32's (Zen 3, 2 cores:
# 14 against 95 GFLOP/s) and vLLM's answers by far more.
BFLOAT16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})


def fast_dtype(cpuinfo: str) -> str:
    """bfloat16 where the processor multiplies it, else float32, which holds each value exactly."""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in {"flags", "Features"}:
            return "bfloat16" if BFLOAT16_FLAGS & set(value.split()) else "float32"
    return "float32"


@cache
def cpu_dtype() -> str:
    """The type in which vLLM and the trainer hold a bfloat16 base on this machine's processor."""
    try:
        return fast_dtype(CPUINFO.read_text())
    except OSError:
        return "float32"
