"""The mended CPU kernels of vLLM, in a process of their own as the server has them."""

import subprocess
import sys

PROGRAM = """
import agents.serve
import torch
from vllm.lora.punica_wrapper.punica_cpu import bgmv_shrink, sgmv_shrink

slots = torch.zeros(3, 1, 2, 4)
slots[0], slots[2] = 1.0, 100.0  # the last slot is the one that index -1 reaches
expected = torch.tensor([[4.0, 4.0], [0.0, 0.0], [400.0, 400.0]])

found = torch.full((3, 2), 7.0)
bgmv_shrink(torch.ones(3, 4), slots, found, torch.tensor([0, -1, 2]))
assert torch.equal(found, expected), found

found = torch.full((3, 2), 7.0)
lengths = torch.tensor([1, 1, 1])
sgmv_shrink(torch.ones(3, 4), slots, found, None, lengths, torch.tensor([0, -1, 2]), 3, 1, 3, 1.0)
assert torch.equal(found, expected), found
"""


def test_tokens_without_an_adapter_get_no_adapters_weights() -> None:
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
