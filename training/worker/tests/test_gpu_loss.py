"""Words of CUDA and PyTorch, as trainers leave them in their logs."""

import pytest

from training.tests.fake_trainer import GPU_LOST
from training.worker.gpu_loss import gpu_loss

NO_GPU = """Traceback (most recent call last):
  File "torch/cuda/__init__.py", line 478, in _lazy_init
    torch._C._cuda_init()
RuntimeError: No CUDA GPUs are available
"""
NO_DRIVER = """    torch._C._cuda_init()
RuntimeError: Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed a \
driver from http://www.nvidia.com/Download/index.aspx
"""
BUSY = "RuntimeError: CUDA error: CUDA-capable device(s) is/are busy or unavailable\n"
FELL_OFF = (
    "torch.AcceleratorError: CUDA error: unknown error\nSearch for `cudaErrorUnknown' in ...\n"
)
ASSERTION = "torch.AcceleratorError: CUDA error: device-side assert triggered\n"
ILLEGAL = "torch.AcceleratorError: CUDA error: an illegal memory access was encountered\n"
TOO_LARGE = """torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity \
of 79.18 GiB of which 1.06 GiB is free. Including non-PyTorch memory, this process has 71.00 GiB memory in use.
"""


@pytest.mark.parametrize("log", [GPU_LOST, NO_GPU, NO_DRIVER, BUSY, FELL_OFF])
def test_a_lost_gpu_is_seen(log: str) -> None:
    sentence = gpu_loss(f"Traceback (most recent call last):\n{log}")
    assert sentence.startswith("The training machine lost its GPU (")
    assert "\n" not in sentence


@pytest.mark.parametrize("log", ["", "RuntimeError: unknown error", ASSERTION, ILLEGAL, TOO_LARGE])
def test_what_a_program_can_cause_by_itself_is_not_a_lost_gpu(log: str) -> None:
    assert gpu_loss(log) == ""
