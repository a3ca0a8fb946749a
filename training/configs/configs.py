"""Training choices of an agent's owner: one dataclass for each method, and presets. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar

from agents.adapters.lora import MAX_LORA_RANK
from training.configs.fields import InvalidConfig, SettingHelp, Settings, setting

__all__ = [
    "ATTENTION_MODULES",
    "METHODS",
    "PRESETS",
    "Adoption",
    "DPOConfig",
    "GRPOConfig",
    "InvalidConfig",
    "LearningConfig",
    "Method",
    "Precision",
    "SettingHelp",
    "Targets",
    "config_from_json",
]

ATTENTION_MODULES = ("q_proj", "k_proj", "v_proj", "o_proj")


class Method(StrEnum):
    """What a run learns from."""

    DPO = "dpo"  # preference pairs
    GRPO = "grpo"  # groups of scored answers to one task


class Targets(StrEnum):
    """Which layers of the base get LoRA weights. The LM head and embeddings never do."""

    ALL_LINEAR = "all-linear"
    ATTENTION = "attention"


class Precision(StrEnum):
    """How the frozen base is held in memory while its adapter learns."""

    NF4 = "nf4"
    BF16 = "bf16"


class Adoption(StrEnum):
    """What happens to a version that the gate finds good."""

    AUTOMATIC = "automatic"
    BY_HAND = "by-hand"


@dataclass(frozen=True)
class LearningConfig(Settings):
    """What both methods share."""

    rank: int = setting(
        16,
        "LoRA rank",
        "Size of the adapter. Higher can learn more and costs memory and time. An agent that "
        "already has an adapter keeps that adapter's rank.",
        low=1,
        high=MAX_LORA_RANK,
    )
    alpha: int = setting(
        32,
        "LoRA alpha",
        "The adapter's weights act multiplied by alpha / rank; twice the rank is usual. An "
        "agent that already has an adapter keeps that adapter's alpha.",
        low=1,
        high=256,
    )
    target_modules: Targets = setting(
        Targets.ALL_LINEAR,
        "Layers",
        "all-linear adapts attention and feed-forward layers and learns most; attention is "
        "smaller and about a quarter faster. An agent that already has an adapter keeps its "
        "layers.",
    )
    learning_rate: float = setting(
        5e-4,
        "Learning rate",
        "Size of a run's largest steps; the first and last ones are smaller. Too high forgets how to "
        "write, too low changes nothing.",
        low=1e-6,
        high=5e-3,
    )
    epochs: int = setting(
        3,
        "Epochs",
        "How often each example is shown in a run. Few examples want to be shown more than once.",
        low=1,
        high=5,
    )
    max_length: int = setting(
        512,
        "Longest sequence",
        "Tokens of prompt and answer together; longer examples are left out.",
        low=64,
        high=2048,
    )
    precision: Precision = setting(
        Precision.NF4,
        "Precision",
        "nf4 (QLoRA) holds the base in 4 bits: far less memory for a large base, at the price of "
        "learning beside a slightly different base than the one that plays. bf16 learns on "
        "exactly what plays: for a base as small as the one that comes with this arena, nf4 saves "
        "nothing and bf16 learns more.",
    )
    clip: float = setting(
        1.0, "Gradient clip", "Largest length of a gradient; tames outliers.", low=0.1, high=10.0
    )
    rehearsal: float = setting(
        # Measured: docs/decisions/rehearsal-weight.md
        2.0,
        "Rehearsal weight",
        "Weight of staying near the plain base where the agent is asked for other things: in answers "
        "of the base to prompts that it makes up itself. It keeps what the agent could do before; "
        "0 turns it off.",
        low=0.0,
        high=10.0,
    )
    max_staleness: int = setting(
        4,  # docs/decisions/staleness.md
        "Oldest answers",
        "An answer given by a version of the agent that is more than so many edits and trainings "
        "away from the one that learns is left out.",
        low=0,
        high=100,
    )
    adoption: Adoption = setting(
        Adoption.AUTOMATIC,
        "Adoption",
        "automatic lets a version that passes the gate play at once; by-hand leaves the last word "
        "to you.",
    )
    seed: int = setting(
        0,
        "Seed",
        "Same examples, seed and machine give the same adapter, bit for bit.",
        low=0,
        high=2**31 - 1,
    )


@dataclass(frozen=True)
class DPOConfig(LearningConfig):
    """Direct preference optimisation (Rafailov et al. 2023, arXiv:2305.18290)."""

    method: ClassVar[str] = Method.DPO

    beta: float = setting(
        0.1,
        "Beta",
        "How strongly the new version is held to its parent: higher stays closer.",
        low=0.01,
        high=1.0,
    )
    pairs_per_step: int = setting(
        4, "Pairs a step", "Pairs averaged for one step of the optimizer.", low=1, high=32
    )
    sft_weight: float = setting(
        # Measured: docs/decisions/imitation-weight.md
        1.0,
        "Imitation weight",
        "Weight of plainly imitating the better answer beside preferring it. It keeps the "
        "better answer likely and teaches what the agent never says by itself; 0 turns it off.",
        low=0.0,
        high=2.0,
    )
    preference_weight: float = setting(
        1.0,
        "Preference weight",
        "Weight of preferring the better answer to the worse; at 0 only imitation is left.",
        low=0.0,
        high=2.0,
    )
    max_pairs: int = setting(
        96,
        "Most pairs",
        "A run learns from at most this many pairs, the newest first.",
        low=8,
        high=2000,
    )

    def contradictions(self) -> dict[str, str]:
        if not self.preference_weight and not self.sft_weight:
            return {
                "preference_weight": "With neither preference nor imitation nothing is learned."
            }
        return {}


@dataclass(frozen=True)
class GRPOConfig(LearningConfig):
    """Group relative policy optimisation (Shao et al. 2024, arXiv:2402.03300) of stored answers.

    Token importance ratios with two-sided clipping (INTELLECT-2, arXiv:2505.07291), advantages
    without division by the deviation (Dr. GRPO, arXiv:2503.20783), shared answers (SAPO,
    arXiv:2509.08721).
    """

    method: ClassVar[str] = Method.GRPO

    epochs: int = setting(
        2,
        "Epochs",
        "How often each group is shown in a run. The further the policy moves from the one that "
        "answered, the more of the answers are clipped away.",
        low=1,
        high=5,
    )
    beta: float = setting(
        0.0,
        "Beta",
        "Weight of staying close to the parent (KL divergence); 0 turns it off.",
        low=0.0,
        high=1.0,
    )
    tasks: int = setting(
        32,
        "Tasks",
        "Tasks of a run, the newest played first; the agent practises on each.",
        low=4,
        high=500,
    )
    rollouts: int = setting(
        8,
        "Answers a task",
        "Size of a group: the agent's own answers (played and practised) and shared ones.",
        low=2,
        high=32,
    )
    share: int = setting(
        4,
        "Shared answers",
        "How many of a group's answers come from other competitors of the same task. They carry "
        "what the agent would never say by itself; 0 learns from its own answers alone.",
        low=0,
        high=31,
    )
    groups_per_step: int = setting(
        2, "Groups a step", "Groups averaged for one step of the optimizer.", low=1, high=32
    )
    clip_low: float = setting(
        0.2,
        "Lower clip",
        "How far a token's probability may fall in one run before it stops counting.",
        low=0.01,
        high=0.99,
    )
    clip_high: float = setting(
        # An arena gives few, large runs. Measured: docs/decisions/grpo-clips.md
        4.0,
        "Upper clip",
        "How far a token's probability may rise in one run before it stops counting: at 4, to "
        "five times. What others said well and the agent hardly ever says needs room to rise.",
        low=0.01,
        high=5.0,
    )

    def contradictions(self) -> dict[str, str]:
        if self.share >= self.rollouts:
            return {"share": "Shared answers must be fewer than the answers a task."}
        return {}


METHODS: Mapping[Method, type[LearningConfig]] = MappingProxyType(
    {Method.DPO: DPOConfig, Method.GRPO: GRPOConfig}
)


def config_from_json(value: Mapping[str, Any]) -> LearningConfig:
    """The config of the method that `value` names, DPO where it names none.

    Raises InvalidConfig.
    """
    name = value.get("method", Method.DPO)
    if not isinstance(name, str) or name not in list(Method):
        raise InvalidConfig({"method": f"Method must be one of {', '.join(Method)}."})
    return METHODS[Method(name)].from_json(value)


PRESETS: Mapping[str, Mapping[Method, LearningConfig]] = MappingProxyType(
    {
        "gentle": {
            Method.DPO: DPOConfig(learning_rate=2e-4, beta=0.2, rank=8, alpha=16, epochs=2),
            Method.GRPO: GRPOConfig(
                learning_rate=2e-4, beta=0.02, rank=8, alpha=16, epochs=1, clip_high=1.0
            ),
        },
        "steady": {Method.DPO: DPOConfig(), Method.GRPO: GRPOConfig()},
        "bold": {
            Method.DPO: DPOConfig(learning_rate=1e-3, beta=0.05),
            Method.GRPO: GRPOConfig(learning_rate=1e-3, epochs=3),
        },
    }
)
