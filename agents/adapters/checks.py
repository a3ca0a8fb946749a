"""What makes an adapter fit to be played: every tensor is checked against the layers of its base.

vLLM answers HTTP 200 to adapters with NaN weights, wrong shapes and unknown layers and then plays
nonsense, so `check_adapter` is the guard: nothing else enters the store.
"""

import hashlib
import json
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, deserialize

from agents.adapters.lora import MAX_ALPHA, MAX_LORA_RANK
from agents.errors import Refused

WEIGHTS_FILE = "adapter_model.safetensors"
CONFIG_FILE = "adapter_config.json"
PICKLES = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt"})
MAX_WEIGHTS_BYTES = 1_000_000_000
MAX_CONFIG_BYTES = 100_000
MAX_HEADER_BYTES = 50_000_000  # of a base model's file
MAX_ADAPTER_HEADER_BYTES = 5_000_000
MAX_WEIGHT = 65_504.0  # the largest float16: a float16 server reads more as infinity
# By how much a layer may change a weight of the base. With far more, a model overflows, and what is
# not a number stays in its server's cache, for everybody: docs/decisions/adapter-names.md
MAX_CHANGE = 100.0

_LARGEST_NUMBER_BYTES = 4
# Of pickle's own protocol, and of the zip files that torch writes.
_PICKLE_BEGINNINGS = (b"\x80", b"PK")
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_TENSOR = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<side>[AB])\.weight")
_FORBIDDEN_MODULES = ("lm_head", "embed_tokens")
# Options that would change what the weights mean, with the only values that do not.
_PLAIN_LORA: Mapping[str, tuple[Any, ...]] = {
    "bias": ("none",),
    "use_dora": (False, None),
    "use_rslora": (False, None),
    "modules_to_save": (None, []),
    "rank_pattern": (None, {}),
    "alpha_pattern": (None, {}),
    "fan_in_fan_out": (False, None),
    "lora_bias": (False, None),
    "layer_replication": (None,),
    "trainable_token_indices": (None,),
    "target_parameters": (None, []),
    "use_qalora": (False, None),
    "alora_invocation_tokens": (None,),
    # The others change the base model, too, before the first step.
    "init_lora_weights": (True, False, None, "gaussian", "orthogonal", "eva"),
}


class BadAdapter(Refused):
    """These weights cannot be offered to the inference servers."""


@dataclass(frozen=True)
class AdapterFacts:
    """What is known about a checked adapter."""

    digest: str
    rank: int
    alpha: int
    target_modules: tuple[str, ...]  # "q_proj", ...: sorted
    size_bytes: int

    def config(self) -> dict[str, Any]:
        """The adapter_config.json of the store: what PEFT and vLLM need and nothing else."""
        return {
            "peft_type": "LORA",
            "task_type": "CAUSAL_LM",
            "r": self.rank,
            "lora_alpha": self.alpha,
            "lora_dropout": 0.0,
            "target_modules": list(self.target_modules),
            "bias": "none",
            "inference_mode": True,
        }


def check_made_for(folder: Path, hub_name: str) -> None:
    """Raise BadAdapter if the adapter's own config names another base model of the hub.

    Two bases of one shape take each other's tensors, so that only the name tells them apart. A name
    that is no hub's, such as a folder's, says nothing.
    """
    claimed = _read_config(folder / CONFIG_FILE).get("base_model_name_or_path")
    if not hub_name or not isinstance(claimed, str) or not _HUB_NAME.fullmatch(claimed):
        return
    if claimed.lower() != hub_name.lower():
        raise BadAdapter(
            f"{CONFIG_FILE} says that this adapter was made for {claimed[:120]}; the agent is built on "
            f"{hub_name}."
        )


def largest_bytes(base_folder: Path) -> int:
    """The size of the largest weights file that `check_adapter` may let pass for this base."""
    numbers = MAX_LORA_RANK * sum(map(sum, linear_shapes(base_folder).values()))
    return min(numbers * _LARGEST_NUMBER_BYTES + MAX_ADAPTER_HEADER_BYTES, MAX_WEIGHTS_BYTES)


def check_adapter(folder: Path, *, base_folder: Path) -> AdapterFacts:
    """Check every tensor against the base's layers. Raises BadAdapter with a sentence."""
    _refuse_pickles(folder)
    config = _read_config(folder / CONFIG_FILE)
    weights_path = folder / WEIGHTS_FILE
    try:
        size = weights_path.stat().st_size
    except FileNotFoundError:
        raise BadAdapter(f"The adapter has no {WEIGHTS_FILE}.") from None
    if size > MAX_WEIGHTS_BYTES:
        raise BadAdapter(f"The adapter is larger than {MAX_WEIGHTS_BYTES:,} bytes.")
    weights = weights_path.read_bytes()
    rank, alpha = config["r"], config["lora_alpha"]
    shapes = linear_shapes(base_folder)
    modules = _check_tensors(weights, rank=rank, scale=alpha / rank, shapes=shapes)
    return AdapterFacts(
        digest=hashlib.sha256(weights).hexdigest(),
        rank=rank,
        alpha=alpha,
        target_modules=tuple(sorted({name.rpartition(".")[2] for name in modules})),
        size_bytes=size,
    )


@cache
def linear_shapes(base_folder: Path) -> Mapping[str, tuple[int, int]]:
    """{module: (outputs, inputs)} of the base's linear layers, from its safetensors headers.

    Raises BadAdapter if the folder holds no safetensors.
    """
    shapes: dict[str, tuple[int, int]] = {}
    for path in sorted(base_folder.glob("*.safetensors")):
        for name, entry in _read_header(path).items():
            module, _, leaf = name.rpartition(".")
            is_linear = leaf == "weight" and len(entry.get("shape", ())) == 2
            if is_linear and not module.endswith(_FORBIDDEN_MODULES):
                shapes[module] = (entry["shape"][0], entry["shape"][1])
    if not shapes:
        raise BadAdapter("The base model's folder holds no safetensors to compare with.")
    return shapes


def _refuse_pickles(folder: Path) -> None:
    if not folder.is_dir():
        raise BadAdapter("The adapter's folder does not exist.")
    for path in folder.iterdir():
        if path.suffix.lower() in PICKLES:
            raise BadAdapter(
                f"{path.name} may be a pickle, which can run code when it is read; adapters must "
                "be safetensors."
            )


def _read_config(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise BadAdapter(f"{CONFIG_FILE} is larger than {MAX_CONFIG_BYTES:,} bytes.")
        config = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise BadAdapter(f"The adapter has no {CONFIG_FILE}.") from None
    except (ValueError, RecursionError):
        raise BadAdapter(f"{CONFIG_FILE} is not valid JSON.") from None
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise BadAdapter(f"{CONFIG_FILE} does not describe a LoRA adapter.")
    for key, low, high in (("r", 1, MAX_LORA_RANK), ("lora_alpha", 1, MAX_ALPHA)):
        value = config.get(key)
        if type(value) is not int or not low <= value <= high:
            raise BadAdapter(f"{CONFIG_FILE}: {key} must be a whole number from {low} to {high}.")
    for key, plain in _PLAIN_LORA.items():
        if config.get(key, plain[0]) not in plain:
            raise BadAdapter(f"{CONFIG_FILE}: {key} is not supported; only plain LoRA is.")
    return config


def _check_tensors(
    weights: bytes, *, rank: int, scale: float, shapes: Mapping[str, tuple[int, int]]
) -> set[str]:
    """Return the modules that the weights adapt."""
    try:
        # A header that is far too long would fill the memory with tensors of no size.
        if int.from_bytes(weights[:8], "little") > MAX_ADAPTER_HEADER_BYTES:
            raise SafetensorError
        tensors = deserialize(weights)
    except SafetensorError:
        if weights.startswith(_PICKLE_BEGINNINGS):
            raise BadAdapter(
                f"{WEIGHTS_FILE} seems to be a pickle under another name, which can run code when it is "
                "read; adapters must be safetensors."
            ) from None
        raise BadAdapter(f"{WEIGHTS_FILE} is truncated or not safetensors.") from None
    sides: dict[str, dict[str, float]] = {"A": {}, "B": {}}  # module -> its longest vector
    for name, tensor in tensors:
        match = _TENSOR.fullmatch(name)
        module = match["module"] if match else ""
        if match is None or module not in shapes:
            frozen = any(part in name for part in _FORBIDDEN_MODULES)
            raise BadAdapter(
                f"The base model has no linear layer for the tensor {name[:120]}."
                + (" Its LM head and its embeddings cannot be adapted." if frozen else "")
            )
        outputs, inputs = shapes[module]
        expected = [rank, inputs] if match["side"] == "A" else [outputs, rank]
        if list(tensor["shape"]) != expected:
            raise BadAdapter(
                f"{name} has the shape {list(tensor['shape'])}; rank and base model require "
                f"{expected}."
            )
        values = _checked_values(name, tensor["dtype"], tensor["data"]).reshape(expected)
        along = 0 if match["side"] == "A" else 1
        sides[match["side"]][module] = float(np.linalg.norm(values, axis=along).max(initial=0))
    if not sides["A"]:
        raise BadAdapter("The adapter holds no weights.")
    if lonely := sides["A"].keys() ^ sides["B"].keys():
        raise BadAdapter(f"The layer {min(lonely)} has only one of lora_A and lora_B.")
    for module, longest in sides["A"].items():
        # No entry of the product is larger, by Cauchy and Schwarz.
        if (change := scale * longest * sides["B"][module]) > MAX_CHANGE:
            raise BadAdapter(
                f"The layer {module} could change a weight of the base by {change:,.0f}; at most "
                f"{MAX_CHANGE:,.0f} is taken."
            )
    return set(sides["A"])


def _checked_values(name: str, dtype: str, data: bytes | bytearray) -> NDArray[np.float32]:
    """Raises BadAdapter."""
    if dtype == "BF16":  # NumPy has no bfloat16: it is the upper half of a float32
        upper = np.frombuffer(data, dtype="<u2").astype(np.uint32)
        values = (upper << 16).view(np.float32)
    elif dtype in {"F32", "F16"}:
        values = np.frombuffer(data, dtype="<f4" if dtype == "F32" else "<f2")
    else:
        raise BadAdapter(f"{name} is of type {dtype}; only F32, F16 and BF16 are supported.")
    if not np.isfinite(values).all():
        raise BadAdapter(f"{name} holds values that are not finite numbers.")
    if np.abs(values).max(initial=0) > MAX_WEIGHT:
        raise BadAdapter(f"{name} holds values beyond {MAX_WEIGHT:,.0f}.")
    return values.astype(np.float32, copy=False)


def _read_header(path: Path) -> dict[str, Any]:
    """The JSON header of a safetensors file: 8 bytes of length, then the header."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > MAX_HEADER_BYTES:
            raise BadAdapter(f"{path.name} is not safetensors.")
        header: dict[str, Any] = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return header
