"""What is mended in vLLM for CPUs, in a process of its own as the server has it."""

import subprocess
import sys

import pytest

PRODUCTS = """
import torch
from agents.serve import GroupedAdapters

torch.manual_seed(0)
a, b = (torch.randn(4, 1, 2, 6), torch.randn(4, 1, 2, 6)), (torch.randn(4, 1, 5, 2), torch.randn(4, 1, 3, 2))
x, y = torch.randn(6, 6), torch.randn(6, 8)
adapters = object.__new__(GroupedAdapters)
for slots in ([0, 0, 0, 0, 0, 0], [3, -1, 3, 0, 0, -1], [-1] * 6):
    adapters.group(torch.tensor(slots))
    found = y.clone()
    adapters.add_lora_linear(found, x, a, b, 1.0, (5, 3))
    expected = y.clone()
    for token, slot in enumerate(slots):
        if slot >= 0:  # -1 is the last slot to a tensor, and no adapter at all to vLLM
            parts = [b_one[slot, 0] @ a_one[slot, 0] @ x[token] for a_one, b_one in zip(a, b)]
            expected[token] += torch.cat(parts)
    torch.testing.assert_close(found, expected)
"""
FLOAT32 = """
import agents.serve
from types import SimpleNamespace
import torch
from vllm.config.lora import LoRAConfig
from vllm.lora.punica_wrapper.punica_selector import get_punica_wrapper

config = LoRAConfig(max_lora_rank=16)
config.verify_with_model_config(SimpleNamespace(dtype=torch.bfloat16, architectures=[]))
assert config.lora_dtype is torch.float32
adapters = get_punica_wrapper(8, max_batches=4, device="cpu")
assert type(adapters).__name__ == "GroupedAdapters"
"""
SLEEP = """
import agents.serve
import time
import zmq
from vllm.distributed.device_communicators.shm_broadcast import SpinCondition

context = zmq.Context()
reader = SpinCondition(is_reader=True, context=context, notify_address="tcp://127.0.0.1:9")
reader.record_read()
started, worked = time.monotonic(), time.process_time()
for _ in range(50):
    reader.wait(timeout_ms=None)
assert time.monotonic() - started < 5, "a lost notification is waited for"
assert time.process_time() - worked < 0.5 * (time.monotonic() - started), "it spins"
"""


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(PRODUCTS, id="each token gets its own adapter's product, or none"),
        pytest.param(FLOAT32, id="vLLM takes the products, on float32 weights"),
        pytest.param(SLEEP, id="whoever waits sleeps, and looks by itself now and then"),
    ],
)
def test_the_mended_server(program: str) -> None:
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
