"""What serves and what trains on this machine, decided before anything is started."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from agents.adapters.lora import MAX_LORA_RANK
from arena.config.env import Variables
from arena.config.gpu import cards, memory
from arena.config.gpu.cards import Card, NoGpu
from arena.config.gpu.memory import BaseShape, Plan
from arena.config.supervisor.errors import LocalError
from training.configs.weights import bfloat16_bytes

CONTEXT_TOKENS = 2048
# The bundled base, which is unpacked only after this decision.
SMOLLM2 = BaseShape(
    weight_bytes=269_060_552,
    layers=30,
    width=576,
    intermediate=1536,
    key_value_heads=3,
    head_size=64,
    query_heads=9,
)


@dataclass(frozen=True)
class Hardware:
    """The GPUs in use, if any. Without them everything runs on the CPU."""

    serving: Card | None = None
    plan: Plan | None = None
    training: Card | None = None
    adapter_dtype: str = ""  # if the person has not chosen one
    train_precision: str = ""  # as well
    notes: tuple[str, ...] = ()  # sentences for the person who starts it

    @property
    def variables(self) -> dict[str, str]:
        """For every part. Only those that need a GPU see one."""
        if self.serving is None and self.training is None:
            return {}
        chosen = {"ADAPTER_DTYPE": self.adapter_dtype, "TRAIN_PRECISION": self.train_precision}
        return {"CUDA_VISIBLE_DEVICES": ""} | {name: one for name, one in chosen.items() if one}

    @property
    def training_variables(self) -> dict[str, str]:
        if self.training is None:
            return {}
        # If it vanishes, runs wait for it; they don't go on where they were never meant to.
        return {"CUDA_VISIBLE_DEVICES": self.training.uuid, "TRAIN_DEVICE": "cuda"}


def installed_for_gpus() -> bool:
    """Whether vLLM's build for CUDA is installed; the one for CPUs is another package."""
    try:
        version("vllm")
    except PackageNotFoundError:
        return False
    return True


def hardware(
    environment: Variables,
    *,
    serves: bool,
    trains: bool,
    asking: Callable[[], str] = cards.ask,
    for_gpus: Callable[[], bool] = installed_for_gpus,
) -> Hardware:
    """Decide by GPU, TRAIN_DEVICE, what is installed, and what the GPUs say.

    `serves`, `trains`: whether those parts are started here. Raises LocalError where what was asked
    for cannot be had.
    """
    serves = serves and not environment.vllm_url
    trains = trains and environment.train_device != "cpu"
    if not (serves or trains):
        return Hardware()
    try:
        found = cards.chosen(environment.gpu, asking=asking)
    except NoGpu as reason:
        if environment.gpu == "1":
            raise LocalError(f"GPU is 1, but none can be used. {reason}") from None
        return _without(str(reason), serves=serves, for_gpus=for_gpus())
    if not found:
        return _without("GPU is 0.", serves=serves, for_gpus=for_gpus())
    if not for_gpus():
        return _built_for_cpus(environment, found[0])
    return _on(found, environment, serves=serves, trains=trains)


def loss(card: Card, *, asking: Callable[[], str] = cards.ask) -> str:
    """A sentence if the GPU is gone; empty if it still answers."""
    try:
        if any(found.uuid == card.uuid for found in cards.cards(asking())):
            return ""
        reason = "nvidia-smi does not list it any more."
    except NoGpu as error:
        reason = str(error)
    return f"The GPU that it used, an {card.name}, is gone. {reason}"


def _without(reason: str, *, serves: bool, for_gpus: bool) -> Hardware:
    if serves and for_gpus:
        raise LocalError(
            f"The builds for GPUs are installed here, which cannot serve on CPUs. {reason} "
            "Install those for CPUs: make install GPU=0"
        )
    return Hardware()


def _built_for_cpus(environment: Variables, card: Card) -> Hardware:
    sentence = (
        f"This machine has an {card.described}, but the builds for CPUs are installed. "
        "To use it: make install GPU=1"
    )
    if environment.gpu == "1":
        raise LocalError(sentence)
    return Hardware(notes=(sentence,))


def _on(found: tuple[Card, ...], environment: Variables, *, serves: bool, trains: bool) -> Hardware:
    first = found[0]
    # With several GPUs, training and serving don't share one.
    second = found[1] if len(found) > 1 and serves else first
    notes = [f"Serving on the {first.described}."] if serves else []
    notes += [f"Training on the {second.described}."] if trains else []
    if len(found) > 2:
        notes.append(
            f"{len(found)} GPUs were found, and two are used: servers on the others can be "
            "named in VLLM_URL."
        )
    plan = None
    try:
        if serves:
            plan = _plan(first, environment, trains_here=trains and second is first)
            notes.append(plan.sentence)
    except memory.TooLittleMemory as reason:
        raise LocalError(
            f"The {first.name} has too little memory for this. {reason} Close other programs, "
            "choose a smaller base model, train elsewhere (TRAIN_DEVICE=cpu), or install for CPUs "
            "(make install GPU=0)."
        ) from None
    return Hardware(
        serving=first if serves else None,
        plan=plan,
        training=second if trains else None,
        adapter_dtype="bfloat16"  # in which vLLM plays them on a GPU
        if serves and "adapter_dtype" not in environment.model_fields_set
        else "",
        train_precision="fitting"
        if trains and "train_precision" not in environment.model_fields_set
        else "",
        notes=tuple(notes),
    )


def _plan(card: Card, environment: Variables, *, trains_here: bool) -> Plan:
    return memory.plan(
        base_shape(environment.base_model_path),
        total_mib=card.memory_mib,
        free_mib=card.free_mib,
        context_tokens=CONTEXT_TOKENS,
        rank=MAX_LORA_RANK,
        trained_together=environment.training_together,
        servers=environment.vllm_servers,
        trains_here=trains_here,
    )


def base_shape(folder: Path | None) -> BaseShape:
    """Read a model folder's shape; the bundled base's without a folder. Raises LocalError."""
    if folder is None:
        return SMOLLM2
    try:
        config = json.loads((folder / "config.json").read_text())
        heads, width = int(config["num_attention_heads"]), int(config["hidden_size"])
        return BaseShape(
            weight_bytes=bfloat16_bytes(folder),
            layers=int(config["num_hidden_layers"]),
            width=width,
            intermediate=int(config["intermediate_size"]),
            key_value_heads=int(config.get("num_key_value_heads") or heads),
            head_size=int(config.get("head_dim") or width // heads),
            query_heads=heads,
        )
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError) as error:
        raise LocalError(
            f"The config.json in {folder} does not describe a decoder model that adapters fit: "
            f"{error!r}."
        ) from error
