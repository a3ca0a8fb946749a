"""Training choices of an agent's owner: ranges, explanations for the form, presets. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from types import MappingProxyType
from typing import Any, get_type_hints

from agents.errors import Refused
from agents.lora import MAX_LORA_RANK


class Targets(StrEnum):
    """Which layers of the base get LoRA weights. The LM head and embeddings never do."""

    ALL_LINEAR = "all-linear"
    ATTENTION = "attention"


ATTENTION_MODULES = ("q_proj", "k_proj", "v_proj", "o_proj")


class Precision(StrEnum):
    """How the frozen base is held in memory while its adapter learns."""

    NF4 = "nf4"
    BF16 = "bf16"


class InvalidConfig(Refused):
    """A setting is out of its range; `problems` maps its name to a sentence."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(" ".join(problems.values()))
        self.problems = dict(problems)


def _told(
    label: str, explanation: str, *, low: float | None = None, high: float | None = None
) -> dict[str, Any]:
    return {"label": label, "explanation": explanation, "low": low, "high": high}


@dataclass(frozen=True)
class DPOConfig:
    """Direct preference optimisation of a LoRA adapter (Rafailov et al. 2023, arXiv:2305.18290)."""

    rank: int = field(
        default=16,
        metadata=_told(
            "LoRA rank",
            "Size of the adapter. Higher can learn more and costs memory and time. An agent that "
            "already has an adapter keeps that adapter's rank.",
            low=1,
            high=MAX_LORA_RANK,
        ),
    )
    alpha: int = field(
        default=32,
        metadata=_told(
            "LoRA alpha",
            "The adapter's weights act multiplied by alpha / rank; twice the rank is usual. An "
            "agent that already has an adapter keeps that adapter's alpha.",
            low=1,
            high=256,
        ),
    )
    target_modules: Targets = field(
        default=Targets.ALL_LINEAR,
        metadata=_told(
            "Layers",
            "all-linear adapts attention and feed-forward layers and learns most; attention is "
            "smaller and about a quarter faster. An agent that already has an adapter keeps its "
            "layers.",
        ),
    )
    learning_rate: float = field(
        default=5e-4,
        metadata=_told(
            "Learning rate",
            "Size of each step. Too high forgets how to write, too low changes nothing.",
            low=1e-6,
            high=5e-3,
        ),
    )
    beta: float = field(
        default=0.1,
        metadata=_told(
            "Beta",
            "How strongly the new version is held to its parent: higher stays closer.",
            low=0.01,
            high=1.0,
        ),
    )
    epochs: int = field(
        default=3,
        metadata=_told(
            "Epochs",
            "How often each pair is shown in a run. Few pairs want to be shown more than once.",
            low=1,
            high=5,
        ),
    )
    pairs_per_step: int = field(
        default=4,
        metadata=_told(
            "Pairs a step", "Pairs averaged for one step of the optimizer.", low=1, high=32
        ),
    )
    sft_weight: float = field(
        # Measured with 48 pairs of the Constraints Space, 96 held-out tasks: one epoch at 0.2 left
        # the base's 22 passes at 23, three epochs at 1.0 made them 34. One seed each.
        default=1.0,
        metadata=_told(
            "Imitation weight",
            "Weight of plainly imitating the better answer beside preferring it. It keeps the "
            "better answer likely and teaches what the agent never says by itself; 0 turns it off.",
            low=0.0,
            high=2.0,
        ),
    )
    max_length: int = field(
        default=512,
        metadata=_told(
            "Longest sequence",
            "Tokens of prompt and answer together; what is longer is cut.",
            low=64,
            high=2048,
        ),
    )
    precision: Precision = field(
        default=Precision.NF4,
        metadata=_told(
            "Precision",
            "nf4 (QLoRA) holds the base in 4 bits: far less memory for a large base. bf16 is exact "
            "to what plays, and a little faster for a small base.",
        ),
    )
    clip: float = field(
        default=1.0,
        metadata=_told(
            "Gradient clip", "Largest length of a gradient; tames outliers.", low=0.1, high=10.0
        ),
    )
    max_pairs: int = field(
        default=96,
        metadata=_told(
            "Most pairs",
            "A run learns from at most this many pairs, the newest first.",
            low=8,
            high=2000,
        ),
    )
    seed: int = field(
        default=0,
        metadata=_told(
            "Seed",
            "Same pairs, seed and machine give the same adapter, bit for bit.",
            low=0,
            high=2**31 - 1,
        ),
    )

    def __post_init__(self) -> None:
        problems = {
            one.name: sentence
            for one in fields(self)
            if (sentence := _problem(getattr(self, one.name), one.metadata))
        }
        if problems:
            raise InvalidConfig(problems)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "DPOConfig":
        """Missing keys take their defaults; unknown keys and wrong types are refused."""
        known = {one.name: one for one in fields(cls)}
        kinds = get_type_hints(cls)
        problems = {
            name: f"There is no training setting named {name!r}."
            for name in value
            if name not in known
        }
        chosen: dict[str, Any] = {}
        for name in value.keys() & known.keys():
            try:
                chosen[name] = _typed(value[name], kinds[name])
            except ValueError as error:
                problems[name] = f"{known[name].metadata['label']} {error}."
        if problems:
            try:
                cls(**chosen)
            except InvalidConfig as error:
                problems |= error.problems
            raise InvalidConfig(problems)
        return cls(**chosen)

    def as_json(self) -> dict[str, Any]:
        return {
            one.name: value.value if isinstance(value, StrEnum) else value
            for one in fields(self)
            for value in (getattr(self, one.name),)
        }


@dataclass(frozen=True)
class SettingHelp:
    """What a form shows for one setting."""

    name: str
    label: str
    explanation: str
    default: Any
    kind: type
    low: float | None
    high: float | None
    choices: tuple[str, ...]


def described() -> tuple[SettingHelp, ...]:
    """Every setting of `DPOConfig`, in the order a form shows them."""
    kinds = get_type_hints(DPOConfig)
    return tuple(
        SettingHelp(
            name=one.name,
            label=one.metadata["label"],
            explanation=one.metadata["explanation"],
            default=one.default,
            kind=kinds[one.name],
            low=one.metadata["low"],
            high=one.metadata["high"],
            choices=tuple(kinds[one.name]) if issubclass(kinds[one.name], StrEnum) else (),
        )
        for one in fields(DPOConfig)
    )


def _typed(value: object, kind: type) -> Any:
    if issubclass(kind, StrEnum):
        if isinstance(value, str) and value in list(kind):
            return kind(value)
        raise ValueError(f"must be one of {', '.join(kind)}")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")
    if kind is int:
        if isinstance(value, float) and not value.is_integer():
            raise ValueError("must be a whole number")
        return int(value)
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _problem(value: object, metadata: Mapping[str, Any]) -> str:
    low, high = metadata["low"], metadata["high"]
    if low is None or not isinstance(value, int | float):
        return ""
    if low <= value <= high:  # false for NaN
        return ""
    return f"{metadata['label']} must be between {low:g} and {high:g}."


PRESETS: Mapping[str, DPOConfig] = MappingProxyType(
    {
        "gentle": DPOConfig(learning_rate=2e-4, beta=0.2, rank=8, alpha=16, epochs=2),
        "steady": DPOConfig(),
        "bold": DPOConfig(learning_rate=1e-3, beta=0.05),
    }
)
