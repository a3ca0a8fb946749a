"""Whether a trainer ended because its GPU was lost: by the words of CUDA and PyTorch in its log. Pure.

Such an end is nobody's fault and says nothing about the run: it goes on from its last checkpoint. Faults
that a program can cause by itself (an illegal access, an assertion, a launch that fails) are not among
them; if a lost GPU shows as one of those, the next trainer finds none, and says so.
"""

# https://docs.nvidia.com/cuda/cuda-runtime-api/group__CUDART__TYPES.html, as PyTorch 2.13 prints them.
CUDA_ERRORS = (
    "no CUDA-capable device is detected",
    "CUDA-capable device(s) is/are busy or unavailable",
    "invalid device ordinal",
    "uncorrectable ECC error encountered",
    "uncorrectable NVLink error detected during the execution",
    "hardware stack error",
    "system not yet initialized",
    "driver shutting down",
    "unknown error",
)
# PyTorch's own, before it has called CUDA.
PYTORCH_ERRORS = (
    "No CUDA GPUs are available",
    "Found no NVIDIA driver on your system",
    "CUDA driver initialization failed",
)


def gpu_loss(log: str) -> str:
    """A sentence for the agent's owner if the log tells of a lost GPU; empty if it doesn't."""
    for words in CUDA_ERRORS:
        if f"CUDA error: {words}" in log:
            return _sentence(words)
    return next((_sentence(words) for words in PYTORCH_ERRORS if words in log), "")


def _sentence(words: str) -> str:
    return (
        f"The training machine lost its GPU ({words}). The run goes on from its last checkpoint once "
        "the GPU is back."
    )
