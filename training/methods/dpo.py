"""DPO: a run learns from preference pairs. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from training.configs.configs import LearningConfig
from training.configs.fields import setting
from training.methods.base import (
    BASE_KL,
    GRADIENT,
    KL,
    LOSS,
    ChartWords,
    Method,
    MethodWords,
    PracticeSize,
    RunSize,
)
from training.methods.examples import PAIRS

if TYPE_CHECKING:
    import torch

    from training.trainers.loss import Share
    from training.trainers.model.packing import Row
    from training.trainers.step import Step


@dataclass(frozen=True)
class DPOConfig(LearningConfig):
    """Direct preference optimisation (Rafailov et al. 2023, arXiv:2305.18290)."""

    method: ClassVar[str] = "dpo"

    beta: float = setting(
        0.1,
        "Beta",
        "How strongly the new version is held to its parent: higher stays closer.",
        low=0.01,
        high=1.0,
    )
    pairs_per_step: int = setting(
        4, "Pairs per step", "Pairs averaged for one step of the optimizer.", low=1, high=32
    )
    sft_weight: float = setting(
        # Measured: docs/decisions/imitation-weight.md
        1.0,
        "Imitation weight",
        "Weight of imitating the better answer, in addition to preferring it. It keeps the better "
        "answer likely and teaches what the agent never says by itself; 0 turns it off.",
        low=0.0,
        high=2.0,
    )
    preference_weight: float = setting(
        1.0,
        "Preference weight",
        "Weight of preferring the better answer to the worse one; at 0, only imitation remains.",
        low=0.0,
        high=2.0,
    )
    max_pairs: int = setting(
        96,
        "Maximum pairs",
        "A run learns from at most this many pairs, the newest first.",
        low=8,
        high=2000,
    )

    def contradictions(self) -> dict[str, str]:
        if not self.preference_weight and not self.sft_weight:
            return {
                "preference_weight": "With neither preference nor imitation, nothing is learned."
            }
        return {}


class DPO(Method[DPOConfig]):
    """Makes the better answer of each pair likelier and the worse one less likely."""

    name = DPOConfig.method
    config_class = DPOConfig
    presets: Mapping[str, DPOConfig] = MappingProxyType(
        {
            "gentle": DPOConfig(learning_rate=2e-4, beta=0.2, rank=8, alpha=16, epochs=2),
            "steady": DPOConfig(),
            "bold": DPOConfig(learning_rate=1e-3, beta=0.05),
        }
    )
    examples = PAIRS
    has_kl_guard = False  # DPO may make the worse answers as unlikely as it likes
    words = MethodWords(
        "DPO",
        "learns from preferences",
        "Judges rank the answers in each round; a better and a worse answer to the same task make "
        "a pair. A run makes the better answer likelier and the worse one less likely. It starts "
        "as soon as there are enough pairs.",
    )
    charts = (
        LOSS,
        ChartWords("reward_margin", "Reward margin", "how far ahead it puts the better answer"),
        ChartWords(
            "accuracy", "Accuracy", "pairs where it prefers the better answer", is_share=True
        ),
        KL,
        BASE_KL,
        GRADIENT,
    )

    def size(self, config: DPOConfig, *, pairs: int, tasks: int) -> RunSize:
        taken = min(pairs, config.max_pairs)
        return RunSize(pairs=taken, answers=2 * taken)

    def practice(self, config: DPOConfig) -> PracticeSize | None:
        return None

    def examples_per_step(self, config: DPOConfig) -> int:
        return config.pairs_per_step

    def share(
        self, config: DPOConfig, step: "Step", row: "Row", logprobs: "torch.Tensor"
    ) -> "Share":
        from training.trainers.loss import dpo_share  # noqa: PLC0415 it loads torch

        noise = [step.examples[unit].noise for unit in row.units]  # a pair is one unit
        return dpo_share(
            logprobs,
            step.parent_of(row).to(logprobs.device),
            logprobs.new_tensor(noise),
            lengths=row.lengths,
            beta=config.beta,
            sft_weight=config.sft_weight,
            preference_weight=config.preference_weight,
            step_pairs=len(step.examples),
            step_chosen_tokens=step.chosen_tokens,
            step_tokens=step.tokens,
        )
