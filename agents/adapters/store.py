"""The adapter store: LoRA weights addressed by the SHA-256 of their safetensors file.

vLLM answers HTTP 200 to adapters with NaN weights, wrong shapes and unknown layers and then
plays nonsense, so `check_adapter` is the guard: nothing else enters the store. What else servers do
with adapters: docs/decisions/adapter-names.md. The layout is
ADAPTER_STORE/<first two hex digits>/<digest>/adapter_{config.json,model.safetensors}.
"""

import contextlib
import hashlib
import json
import re
import shutil
import struct
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.utils import timezone
from safetensors import SafetensorError, deserialize

from agents.adapters.lora import MAX_LORA_RANK
from agents.adapters.types import in_bfloat16
from agents.errors import Refused
from agents.files import publish_folder
from agents.models import MAX_REFUSAL_CHARS, Adapter, BaseModel

WEIGHTS_FILE = "adapter_model.safetensors"
CONFIG_FILE = "adapter_config.json"
MAX_ALPHA = 1024
MAX_WEIGHTS_BYTES = 1_000_000_000
MAX_CONFIG_BYTES = 100_000
MAX_HEADER_BYTES = 50_000_000
# A server that refused an adapter may have been restarted since, with other limits.
REFUSAL_HOLDS = timedelta(hours=1)
MAX_WEIGHT = 65_504.0  # the largest float16: a float16 server reads more as infinity

_DIGEST = re.compile(r"[0-9a-f]{64}")
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
}


class BadAdapter(Refused):
    """These weights cannot be offered to the inference servers."""


class AdapterMissing(BadAdapter):
    """The store has no folder for this digest."""


class AdapterCorrupt(BadAdapter):
    """The stored file does not match its digest."""


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
    modules = _check_tensors(weights, rank=rank, shapes=linear_shapes(base_folder))
    return AdapterFacts(
        digest=hashlib.sha256(weights).hexdigest(),
        rank=rank,
        alpha=alpha,
        target_modules=tuple(sorted({name.rpartition(".")[2] for name in modules})),
        size_bytes=size,
    )


def store_adapter(folder: Path, *, base_model: BaseModel, parent: Adapter | None) -> Adapter:
    """Check the adapter in `folder`, copy it into the store, and return its row.

    May run twice, even at the same time: equal weights are one adapter. Raises BadAdapter, or
    OSError if the store cannot take it.
    """
    if base_model.folder is None:
        raise BadAdapter(f"The weights of {base_model} are not on this site's machines.")
    facts = check_adapter(folder, base_folder=base_model.folder)
    with _as_stored(folder) as ready:
        if ready != folder:
            facts = check_adapter(ready, base_folder=base_model.folder)
        return _store(ready, facts, base_model=base_model, parent=parent)


@contextlib.contextmanager
def _as_stored(folder: Path) -> Iterator[Path]:
    """The adapter in the type in which the servers play it; a copy, if it has to be rounded."""
    if settings.ENV.adapter_dtype == "float32":
        yield folder
        return
    store = Path(settings.ADAPTER_STORE)
    store.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=store) as name:
        shutil.copyfile(folder / CONFIG_FILE, Path(name) / CONFIG_FILE)
        rounded = in_bfloat16((folder / WEIGHTS_FILE).read_bytes())
        (Path(name) / WEIGHTS_FILE).write_bytes(rounded)
        yield Path(name)


def _store(
    folder: Path, facts: AdapterFacts, *, base_model: BaseModel, parent: Adapter | None
) -> Adapter:
    _copy_into_store(folder, facts)
    adapter, _ = Adapter.objects.get_or_create(
        digest=facts.digest,
        defaults={
            "base_model": base_model,
            "parent": parent,
            "rank": facts.rank,
            "alpha": facts.alpha,
            "target_modules": list(facts.target_modules),
            "size_bytes": facts.size_bytes,
        },
    )
    if (adapter.base_model_id, adapter.alpha) != (base_model.pk, facts.alpha):
        raise BadAdapter("These weights are already stored for another base model or alpha.")
    _unmark(adapter)
    _copy_into_store(folder, facts)  # if they were being collected meanwhile
    return adapter


def remove_files(digest: str) -> None:
    """Remove the weights from the store, whole: nobody finds a half. The row stays. May run twice."""
    store = Path(settings.ADAPTER_STORE)
    gone = store / f".{digest[:12]}.{uuid.uuid4().hex}.removed"
    with contextlib.suppress(FileNotFoundError):
        (store / digest[:2] / digest).rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def collected_words(adapter: Adapter) -> str:
    """When the weights were collected, as the end of a sentence; empty if they were not."""
    at = adapter.collected_at
    return f"were collected on {at.day} {at:%B %Y} to make room" if at else ""


def _unmark(adapter: Adapter) -> None:
    """Weights that are made again are weights that somebody needs."""
    if adapter.collected_at is None:
        return
    # It waits for a sweep that is removing the files and holds the row's lock.
    Adapter.objects.filter(id=adapter.pk).update(collected_at=None, is_removed=False)
    adapter.refresh_from_db()


def note_refusal(digest: str, why: str) -> None:
    """Record what an inference server said when it refused to load the adapter."""
    Adapter.objects.filter(digest=digest).update(
        refusal=why[:MAX_REFUSAL_CHARS], refused_at=timezone.now()
    )


def check_playable(adapter: Adapter, *, verify: bool = True) -> None:
    """Raise BadAdapter if the stored file is missing or a server refused it recently.

    `verify` also re-reads the file, to find out whether it is damaged.
    """
    if when := collected_words(adapter):
        raise BadAdapter(f"Its weights {when}. Go back to another version.")
    adapter_folder(adapter.digest, verify=verify)
    if adapter.refused_at and timezone.now() - adapter.refused_at < REFUSAL_HOLDS:
        until = adapter.refused_at + REFUSAL_HOLDS
        raise BadAdapter(
            f"{adapter.refusal.rstrip('.')}. Go back to an earlier version, or try again after "
            f"{until:%H:%M} UTC."
        )


def adapter_folder(digest: str, *, verify: bool = False) -> Path:
    """The adapter's folder; `verify` also re-reads its bytes.

    Raises AdapterMissing or AdapterCorrupt.
    """
    if not _DIGEST.fullmatch(digest):
        raise AdapterMissing("An adapter's digest has 64 hexadecimal digits.")
    folder = Path(settings.ADAPTER_STORE) / digest[:2] / digest
    if not (folder / WEIGHTS_FILE).is_file() or not (folder / CONFIG_FILE).is_file():
        raise AdapterMissing(f"The adapter {digest[:12]} is not in the adapter store.")
    if verify and _file_digest(folder / WEIGHTS_FILE) != digest:
        raise AdapterCorrupt(
            f"The stored file of adapter {digest[:12]} is damaged; restore it from a backup or "
            "go back to an earlier version."
        )
    return folder


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
        if path.suffix in {".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt"}:
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
    except ValueError:
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


def _check_tensors(weights: bytes, *, rank: int, shapes: Mapping[str, tuple[int, int]]) -> set[str]:
    """Return the modules that the weights adapt."""
    try:
        tensors = deserialize(weights)
    except SafetensorError:
        raise BadAdapter(f"{WEIGHTS_FILE} is truncated or not safetensors.") from None
    sides: dict[str, set[str]] = {"A": set(), "B": set()}
    for name, tensor in tensors:
        match = _TENSOR.fullmatch(name)
        module = match["module"] if match else ""
        if match is None or module not in shapes:
            raise BadAdapter(f"The base model has no linear layer for the tensor {name[:120]}.")
        outputs, inputs = shapes[module]
        expected = [rank, inputs] if match["side"] == "A" else [outputs, rank]
        if list(tensor["shape"]) != expected:
            raise BadAdapter(
                f"{name} has the shape {list(tensor['shape'])}; rank and base model require "
                f"{expected}."
            )
        _check_values(name, tensor["dtype"], tensor["data"])
        sides[match["side"]].add(module)
    if not sides["A"]:
        raise BadAdapter("The adapter holds no weights.")
    if lonely := sides["A"] ^ sides["B"]:
        raise BadAdapter(f"The layer {min(lonely)} has only one of lora_A and lora_B.")
    return sides["A"]


def _check_values(name: str, dtype: str, data: bytes | bytearray) -> None:
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


def _read_header(path: Path) -> dict[str, Any]:
    """The JSON header of a safetensors file: 8 bytes of length, then the header."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > MAX_HEADER_BYTES:
            raise BadAdapter(f"{path.name} is not safetensors.")
        header: dict[str, Any] = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return header


def _copy_into_store(folder: Path, facts: AdapterFacts) -> None:
    try:
        adapter_folder(facts.digest, verify=True)
    except BadAdapter:
        pass  # absent or damaged: (re)place it
    else:
        return
    store = Path(settings.ADAPTER_STORE)
    target = store / facts.digest[:2] / facts.digest
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = store / f".{facts.digest[:12]}.{uuid.uuid4().hex}"
    partial.mkdir()
    try:
        shutil.copyfile(folder / WEIGHTS_FILE, partial / WEIGHTS_FILE)
        (partial / CONFIG_FILE).write_text(json.dumps(facts.config(), indent=2) + "\n")
        if _file_digest(partial / WEIGHTS_FILE) != facts.digest:
            raise BadAdapter("The adapter changed while it was being stored.")
        _swap(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _swap(partial: Path, target: Path) -> None:
    try:
        publish_folder(partial, target)
    except OSError:
        if not target.exists():
            raise
        # Another process has just stored the same weights, or a damaged folder is in the way.
        if _is_whole(target):
            return
        target.rename(partial.with_name(f"{partial.name}.damaged"))
        publish_folder(partial, target)


def _is_whole(folder: Path) -> bool:
    try:
        return bool(adapter_folder(folder.name, verify=True))
    except BadAdapter:
        return False


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
