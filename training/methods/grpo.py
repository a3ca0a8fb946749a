"""GRPO: a run practises, and learns from groups of scored answers to one task. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from training.configs.configs import LearningConfig, Precision
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
from training.methods.examples import GROUPS

if TYPE_CHECKING:
    import torch

    from training.trainers.loss import Share
    from training.trainers.model.packing import Row
    from training.trainers.step import Step


@dataclass(frozen=True)
class GRPOConfig(LearningConfig):
    """Group relative policy optimisation (Shao et al. 2024, arXiv:2402.03300) of stored answers.

    Token importance ratios with two-sided clipping (INTELLECT-2, arXiv:2505.07291), advantages
    without division by the deviation (Dr. GRPO, arXiv:2503.20783), shared answers (SAPO,
    arXiv:2509.08721).
    """

    method: ClassVar[str] = "grpo"

    epochs: int = setting(
        2,
        "Epochs",
        "How often a run shows each group. The further the policy moves from the one that "
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
        "Tasks in a run, the most recently played first; the agent practises each of them.",
        low=4,
        high=500,
    )
    rollouts: int = setting(
        8,
        "Answers per task",
        "Size of a group: the agent's own answers (from matches and practice) and shared ones.",
        low=2,
        high=32,
    )
    share: int = setting(
        4,
        "Shared answers",
        "How many of a group's answers come from other competitors on the same task. They teach "
        "what the agent would never say by itself; at 0, it learns from its own answers only.",
        low=0,
        high=31,
    )
    episode_share: float = setting(
        0.5,  # docs/decisions/self-play.md
        "Whole episodes",
        "In a game of several turns, this share of a run's practice goes to whole episodes that the "
        "agent plays against itself; the rest goes to single positions of its matches. Episodes "
        "teach what wins in the end, from few and chancy results; the moves in a position are valued "
        "by code, one by one. At 0, only positions are practised.",
        low=0.0,
        high=1.0,
    )
    earlier_share: float = setting(
        0.5,
        "Earlier opponents",
        "How often the other seats of a practised episode are earlier versions of the agent instead "
        "of the one that learns. They keep it from losing to what it has left behind, but are weaker "
        "opponents, so more of them makes winning easier and teaches less that is new. At 0, or "
        "while there is no earlier version, it plays the version that learns.",
        low=0.0,
        high=1.0,
    )
    discount: float = setting(
        0.95,
        "Discount",
        "What a turn of an episode counts for how the episode ended, compared with the agent's next "
        "turn. At 1, all turns count alike; the lower it is, the more the last ones teach.",
        low=0.1,
        high=1.0,
    )
    groups_per_step: int = setting(
        2, "Groups per step", "Groups averaged for one step of the optimizer.", low=1, high=32
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
        "How far a token's probability may rise in one run before it stops counting: at 4, to five "
        "times its value. Good answers that the agent hardly ever gives need room to rise.",
        low=0.01,
        high=5.0,
    )

    def contradictions(self) -> dict[str, str]:
        if self.share >= self.rollouts:
            return {"share": "Shared answers must be fewer than answers per task."}
        return {}


class GRPO(Method[GRPOConfig]):
    """Makes answers that score above their group's mean likelier, and the others less likely."""

    name = GRPOConfig.method
    config_class = GRPOConfig
    presets: Mapping[str, GRPOConfig] = MappingProxyType(
        {
            "gentle": GRPOConfig(
                learning_rate=2e-4, beta=0.02, rank=8, alpha=16, epochs=1, clip_high=1.0
            ),
            "steady": GRPOConfig(),
            "bold": GRPOConfig(learning_rate=1e-3, epochs=3),
        }
    )
    examples = GROUPS
    has_kl_guard = True
    words = MethodWords(
        "GRPO",
        "learns from groups of scored answers",
        "A run begins with practice: the agent answers tasks from its matches again, several times "
        "each, and the Space’s judges score every answer. Answers that score above their group’s "
        "mean become likelier. A group can also include answers shared by other competitors. In games, "
        "the agent also plays whole episodes against itself and its earlier versions.",
    )
    charts = (
        ChartWords("reward", "Reward", "mean score of its answers"),
        LOSS,
        ChartWords("clipped", "Clipped", "tokens too far off-policy to count", is_share=True),
        KL,
        BASE_KL,
        GRADIENT,
    )

    def size(self, config: GRPOConfig, *, pairs: int, tasks: int) -> RunSize:
        return RunSize(pairs=pairs, answers=min(tasks, config.tasks) * config.rollouts)

    def practice(self, config: GRPOConfig) -> PracticeSize | None:
        return PracticeSize(
            tasks=config.tasks,
            rollouts=config.rollouts,
            share=config.share,
            episode_share=config.episode_share,
            earlier_share=config.earlier_share,
            discount=config.discount,
        )

    def examples_per_step(self, config: GRPOConfig) -> int:
        return config.groups_per_step

    def share(
        self, config: GRPOConfig, step: "Step", row: "Row", logprobs: "torch.Tensor"
    ) -> "Share":
        from training.trainers.loss import grpo_share, ratio_mask  # noqa: PLC0415 it loads torch

        answers = [answer for example in step.examples for answer in example.answers]
        here = [answers[unit] for unit in row.units]
        parent = step.parent_of(row)
        stored: list[float] = []
        for answer, own in zip(here, parent.split(list(row.lengths)), strict=True):
            stored += own.tolist() if answer.behaviour is None else answer.behaviour
        parent, behaviour = parent.to(logprobs.device), logprobs.new_tensor(stored)
        usable = telling = row.telling.to(logprobs.device)
        # The stored log-probabilities carry nf4's error; the parent's own do not. The stored ones
        # still show which answers the parent would hardly give any more. Measured:
        # docs/decisions/nf4-behaviour.md
        if config.precision is Precision.NF4:
            usable = telling & ratio_mask(parent - behaviour, telling=telling, lengths=row.lengths)
            behaviour = parent
        return grpo_share(
            logprobs,
            behaviour,
            parent,
            logprobs.new_tensor([answer.advantage for answer in here]),
            telling=telling,
            usable=usable,
            lengths=row.lengths,
            clip_low=config.clip_low,
            clip_high=config.clip_high,
            beta=config.beta,
            step_tokens=step.tokens,
        )
