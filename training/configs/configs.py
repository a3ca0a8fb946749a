"""Training choices of an agent's owner that all methods share, and the presets' names. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from agents.adapters.lora import MAX_ALPHA, MAX_LORA_RANK
from training.configs.fields import Settings, setting

PRESETS = ("gentle", "steady", "bold")  # how boldly an agent learns; each method has its own values
# Chosen beside a preset.
NOT_IN_PRESETS = frozenset({"adoption", "practice_answers", "coded_share"})
ATTENTION_MODULES = ("q_proj", "k_proj", "v_proj", "o_proj")


class Targets(StrEnum):
    """Which layers of the base get LoRA weights. The LM head and embeddings never do."""

    ALL_LINEAR = "all-linear"
    ATTENTION = "attention"


class Precision(StrEnum):
    """How the frozen base is held in memory while its adapter learns."""

    NF4 = "nf4"
    BF16 = "bf16"


# Below this size in bfloat16, unpacked weights cost less than their unpacking.
NF4_FROM_BYTES = 4 * 1024**3


def fitting(weight_bytes: int) -> Precision:
    """The precision in which a base with this many bytes in bfloat16 gains most on a GPU."""
    return Precision.NF4 if weight_bytes >= NF4_FROM_BYTES else Precision.BF16


class Adoption(StrEnum):
    """What happens to a version that passes the gate."""

    AUTOMATIC = "automatic"
    BY_HAND = "by-hand"


class PracticeAnswers(StrEnum):
    """Whether others may learn from what an agent answers in practice."""

    SHARED = "shared"
    PRIVATE = "private"


@dataclass(frozen=True)
class LearningConfig(Settings):
    """What all methods share."""

    rank: int = setting(
        16,
        "LoRA rank",
        "Size of the adapter. A higher rank can learn more but costs memory and time. An agent that "
        "already has an adapter keeps that adapter's rank.",
        low=1,
        high=MAX_LORA_RANK,
    )
    alpha: int = setting(
        32,
        "LoRA alpha",
        "The adapter's weights are scaled by alpha / rank; twice the rank is usual. An "
        "agent that already has an adapter keeps that adapter's alpha.",
        low=1,
        high=MAX_ALPHA,
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
        "Size of a run's largest steps; the first and last ones are smaller. If it is too high, the "
        "agent forgets how to write; if too low, nothing changes.",
        low=1e-6,
        high=5e-3,
    )
    epochs: int = setting(
        3,
        "Epochs",
        "How often a run shows each example. If there are few, show them more than once.",
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
        "nf4 (QLoRA) holds the base in 4 bits: a large base takes far less memory, but the adapter "
        "is trained on a slightly different base than the one that plays. bf16 trains on exactly "
        "the base that plays. For a base as small as the one that comes with this arena, nf4 saves "
        "nothing and bf16 learns more. A site that trains on a GPU may choose by the base's size: "
        "a run's page shows what it takes.",
    )
    clip: float = setting(
        1.0, "Gradient clip", "Largest gradient norm; tames outliers.", low=0.1, high=10.0
    )
    rehearsal: float = setting(
        # Measured: docs/decisions/rehearsal-weight.md
        2.0,
        "Rehearsal weight",
        "How strongly the agent is held to the plain base on other requests: prompts that the base "
        "makes up and answers itself. It preserves what the agent could do before; 0 turns it off.",
        low=0.0,
        high=10.0,
    )
    max_staleness: int = setting(
        4,  # docs/decisions/staleness.md
        "Oldest answers",
        "Answers from versions more than this many edits or training runs away from the version "
        "that learns are left out.",
        low=0,
        high=100,
    )
    adoption: Adoption = setting(
        Adoption.AUTOMATIC,
        "Adoption",
        "automatic: a version that passes the gate plays at once. by-hand: you decide.",
    )
    practice_answers: PracticeAnswers = setting(
        PracticeAnswers.SHARED,
        "Practice answers",
        "shared: other agents may learn from what yours answers in its runs' practice, and yours "
        "from theirs. private: neither. Answers in matches are public either way.",
    )
    coded_share: float = setting(
        0.5,  # docs/decisions/coded-teacher.md
        "Share of coded seats",
        "At most this share of the better answers in a run's pairs, or of the answers in its groups, "
        "may come from house agents that answer by code. They obey every rule, so more of them "
        "teaches a Space's own tasks faster, but answers get shorter and kinds of task that no match "
        "asks for suffer. At 0, only models teach; 1 sets no limit.",
        low=0.0,
        high=1.0,
    )
    seed: int = setting(
        0,
        "Seed",
        "The same examples, seed and machine give the same adapter, bit for bit.",
        low=0,
        high=2**31 - 1,
    )
