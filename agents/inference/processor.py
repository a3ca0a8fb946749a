"""This machine's processor, and the type in which a base model computes on it.

Pure except for /proc/cpuinfo. Imports no torch: workers and the supervisor import it too.
"""

import platform
from collections.abc import Mapping
from functools import cache
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
# Flags of processors that multiply bfloat16 natively (x86: Cooper Lake, Zen 4 and later; Arm: v8.6).
# Measured: docs/decisions/float32-on-cpus.md
BFLOAT16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})


def first_core(cpuinfo: str) -> dict[str, str]:
    """What /proc/cpuinfo says about the first core; the others are assumed to be alike."""
    block = cpuinfo.strip().partition("\n\n")[0]
    pairs = (line.partition(":") for line in block.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def fast_dtype(core: Mapping[str, str]) -> str:
    """bfloat16 if the core multiplies it natively, else float32, which can hold all its values."""
    flags = core.get("flags", core.get("Features", ""))  # x86, Arm
    return "bfloat16" if BFLOAT16_FLAGS & set(flags.split()) else "float32"


def cpu_dtype() -> str:
    """The type in which vLLM and the trainer hold a bfloat16 base on this machine's processor."""
    return fast_dtype(_this_core())


def described() -> str:
    """Architecture, model and type: adapters match bit for bit only where these do."""
    model = _this_core().get("model name", "unknown processor")
    return f"{platform.machine()} {model}, {cpu_dtype()}"


@cache
def _this_core() -> Mapping[str, str]:
    try:
        return first_core(CPUINFO.read_text())
    except OSError:
        return {}
