"""vLLM's patches for CPUs, in separate processes, as in the server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.tests.forks import ForkServer

pytestmark = pytest.mark.slow

TIMEOUT_SECONDS = 240

PRODUCTS = """
import torch
from agents.inference.serve import GroupedAdapters

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
import agents.inference.serve
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
NUCLEUS = """
import agents.inference.serve
import torch
from vllm.v1.sample.ops.topk_topp_sampler import TopKTopPSampler, apply_top_k_top_p, apply_top_k_top_p_pytorch

assert apply_top_k_top_p is agents.inference.serve.keep_nucleus
torch.manual_seed(0)
flat, peaked = torch.randn(4, 5000) * 0.5, torch.randn(4, 5000) * 6
logits = torch.cat([peaked, flat, peaked[:1]])
p = torch.tensor([0.95, 0.5, 1e-6, 1.0, 0.95, 0.5, 1e-6, 1.0, 0.999])
found = apply_top_k_top_p(logits.clone(), None, p.clone())
kept = found.isfinite().sum(-1).tolist()
assert kept[2] == kept[6] == 1 and kept[3] == kept[7] == 5000, kept
assert 1 < kept[0] < agents.inference.serve.NUCLEUS_TOKENS < kept[5] < kept[4] < 5000, kept
expected = apply_top_k_top_p_pytorch(logits.clone(), None, p.clone())
torch.testing.assert_close(found[:3], expected[:3], rtol=0, atol=0)
torch.testing.assert_close(found[4:7], expected[4:7], rtol=0, atol=0)
torch.testing.assert_close(found[8:], expected[8:], rtol=0, atol=0)
torch.testing.assert_close(found[[3, 7]], logits[[3, 7]], rtol=0, atol=0)
drawn, _ = TopKTopPSampler().forward_native(logits.clone(), {}, None, p.clone())
assert found.gather(1, drawn[:, None].long()).isfinite().all()
"""
SLEEP = """
import agents.inference.serve
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


@pytest.fixture(scope="module")
def mended() -> Iterator[ForkServer]:
    server = ForkServer("agents.inference.serve")
    yield server
    server.close()


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(PRODUCTS, id="each token gets its own adapter's product, or none"),
        pytest.param(FLOAT32, id="vLLM takes the products, on float32 weights"),
        pytest.param(NUCLEUS, id="top-p keeps the tokens that a sorted vocabulary would"),
        pytest.param(SLEEP, id="whoever waits sleeps, and looks by itself now and then"),
    ],
)
def test_the_mended_server(mended: ForkServer, tmp_path: Path, program: str) -> None:
    process = mended.start(("-c", program), log=tmp_path / "log")
    assert process.wait(timeout_seconds=TIMEOUT_SECONDS) == 0, process.output
