"""The number type in which weights are stored: the one in which the servers play them. Pure."""

import numpy as np
from numpy.typing import NDArray
from safetensors import TensorSpec, deserialize, serialize


def in_bfloat16(weights: bytes) -> bytes:
    """The safetensors with every float32 rounded to the nearest bfloat16; the rest as it is.

    Finite numbers only: `check_adapter` has refused all others. Equal weights give equal bytes.
    """
    specs, buffers = {}, []
    for name, tensor in deserialize(weights):
        dtype, data = _NAMES[tensor["dtype"]], np.frombuffer(tensor["data"], dtype=np.uint8)
        if dtype == "float32":
            dtype, data = "bfloat16", _rounded(data.view(np.uint32)).view(np.uint8)
        buffers.append(data)  # a spec holds only the address
        specs[name] = TensorSpec(
            dtype=dtype, shape=tensor["shape"], data_ptr=data.ctypes.data, data_len=data.nbytes
        )
    return bytes(serialize(specs, {"format": "pt"}))


_NAMES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}


def _rounded(bits: NDArray[np.uint32]) -> NDArray[np.uint16]:
    """The upper halves of float32s, rounded to nearest, ties to even."""
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
