"""Training choices of an agent's owner that all methods share, and the presets' names. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from agents.adapters.lora import MAX_LORA_RANK
from training.configs.fields import Settings, setting

PRESETS = ("gentle", "steady", "bold")  # how boldly an agent learns; each method has its own values
ATTENTION_MODULES = ("q_proj", "k_proj", "v_proj", "o_proj")


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
    """What all methods share."""

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
