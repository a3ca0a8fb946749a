"""Attention over packed rows: queries in chunks, each with the keys that any of its tokens may see.

In a row's preorder, these are the ancestors of the chunk's first token and the chunk itself, a small
part of all earlier tokens. A row's chunks form one batch, padded to the chunk with the most keys.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.functional import pad, scaled_dot_product_attention
from transformers import AttentionInterface

from training.trainers.model.packing import Row
from training.trainers.stopped import TrainingStopped

ATTENTION_NAME = "packed-rows"
CHUNK = 64  # measured: docs/decisions/own-training-loop.md


@dataclass(frozen=True)
class Chunks:
    """Which tokens attend to which in a row: C chunks of Q queries, K keys each."""

    keys: torch.Tensor  # [C, K] places in the row
    bias: torch.Tensor  # [C, 1, group * Q, K] added to scores: 0 or the most negative number
    group: int  # heads that share keys: their queries are stacked instead of repeating the keys


def chunk_row(row: Row, *, group: int, dtype: torch.dtype, device: torch.device) -> Chunks:
    ends, size = row.ends, len(row.ids)
    starts = range(0, size, CHUNK)
    seen = [
        torch.cat([(ends[:start] > start).nonzero()[:, 0], torch.arange(start, start + CHUNK)])
        for start in starts
    ]
    width = max(map(len, seen))
    keys = torch.stack([pad(places, (0, width - len(places)), value=size) for places in seen])
    queries = torch.arange(len(seen) * CHUNK).view(len(seen), CHUNK, 1)
    ends = pad(ends, (0, len(seen) * CHUNK - size))  # no token sees a position past the row
    keys_here = keys[:, None, :]
    visible = (keys_here <= queries) & (queries < ends[keys.clamp(max=len(ends) - 1)][:, None, :])
    bias = torch.zeros(visible.shape, dtype=dtype).masked_fill_(~visible, torch.finfo(dtype).min)
    return Chunks(
        keys=keys.clamp(max=size - 1).to(device),
        bias=bias.repeat(1, group, 1)[:, None].to(device),
        group=group,
    )


class _Attended(threading.local):
    chunks: Chunks | None = None


_seen = _Attended()


@contextmanager
def attending(chunks: Chunks) -> Iterator[None]:
    """Within it, this thread's forward passes are over the row of these chunks."""
    before, _seen.chunks = _seen.chunks, chunks
    try:
        yield
    finally:
        _seen.chunks = before


def _attend(
    module: nn.Module,
    query: torch.Tensor,  # [1, heads, T, width]
    key: torch.Tensor,  # [1, key heads, T, width]
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: torch.Tensor | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    if sliding_window or softcap or s_aux is not None:
        raise TrainingStopped(
            f"This base model cannot be trained here: its attention ({type(module).__name__}) is "
            "not a plain softmax over all earlier tokens."
        )
    chunks = _seen.chunks
    assert chunks is not None
    assert attention_mask is None
    heads, size, width = query.shape[1:]
    key_heads = key.shape[1]
    count, keys = chunks.keys.shape
    group = chunks.group
    padded = pad(query[0], (0, 0, 0, count * CHUNK - size))
    stacked = padded.view(key_heads, group, count, CHUNK, width).permute(2, 0, 1, 3, 4)
    index = chunks.keys.flatten()
    picked_shape = (key_heads, count, keys, width)
    out = scaled_dot_product_attention(
        stacked.reshape(count, key_heads, group * CHUNK, width),
        key[0].index_select(1, index).view(picked_shape).transpose(0, 1),
        value[0].index_select(1, index).view(picked_shape).transpose(0, 1),
        attn_mask=chunks.bias,
        scale=scaling,
    )  # [C, key heads, group * Q, width]
    out = out.view(count, key_heads, group, CHUNK, width).permute(0, 3, 1, 2, 4)
    return out.reshape(1, count * CHUNK, heads, width)[:, :size], None


AttentionInterface.register(ATTENTION_NAME, _attend)
