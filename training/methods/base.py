"""What a training method tells the rest of the code about itself. Pure.

A method is a class in a file of its own and a line of METHODS in training.methods. Web processes and
workers load that file, so it must not import torch or the trainer's modules at the top.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from training.configs.configs import LearningConfig
from training.methods.examples import ExampleKind

if TYPE_CHECKING:
    import torch

    from training.trainers.loss import Share
    from training.trainers.model.packing import Row
    from training.trainers.step import Step

C = TypeVar("C", bound=LearningConfig)


@dataclass(frozen=True)
class MethodWords:
    """A method in the words that users read."""

    title: str
    headline: str
    explanation: str


@dataclass(frozen=True)
class ChartWords:
    """One figure of the trainer's progress lines."""

    name: str
    title: str
    explanation: str
    is_share: bool = False


# What the trainer reports for every step, whatever the method.
LOSS = ChartWords("loss", "Loss", "on its training examples; lower is better")
BASE_KL = ChartWords("base_kl", "Distance to the base", "KL divergence on rehearsed answers")
GRADIENT = ChartWords("grad_norm", "Gradient norm", "how hard each step pulls")
# For methods whose loss reports it.
KL = ChartWords("kl", "Distance to the parent", "KL divergence per token")


@dataclass(frozen=True)
class RunSize:
    """How much of the available data a run takes."""

    pairs: int  # the newest ones
    answers: int  # shown in each epoch; the price counts them


@dataclass(frozen=True)
class PracticeSize:
    """How much an agent practises before it learns."""

    tasks: int  # at most, the most recently played first
    rollouts: int  # answers to each task, including played and shared ones
    share: int  # how many of them come from other competitors
    # Of whole episodes, where the Space's environment has them:
    episode_share: float = 0.0  # of all answers: most that may be turns of episodes
    earlier_share: float = 0.0  # of episodes: those against earlier versions
    discount: float = 1.0  # of a turn, for each of the agent's turns after it


class Method(Protocol[C]):
    """A way to learn from what judges prefer."""

    # In agents' choices, runs, manifests and job files: it never changes. At most 10 characters.
    name: str
    config_class: type[C]  # the owner's choices; its `method` is this name
    presets: Mapping[str, C]  # by each of training.configs.configs.PRESETS
    examples: ExampleKind  # what it learns from
    # Whether a run that drifts too far from its parent is stopped; the loss then reports "kl".
    has_kl_guard: bool
    words: MethodWords
    charts: tuple[ChartWords, ...]  # in the order in which a run's page shows them

    def size(self, config: C, *, pairs: int, tasks: int) -> RunSize:
        """What a run takes of `pairs` pairs, which are about `tasks` different tasks."""
        ...

    def practice(self, config: C) -> PracticeSize | None:
        """The practice before learning; None if there is none. Methods that learn from groups need it."""
        ...

    def examples_per_step(self, config: C) -> int:
        """Examples averaged for one step of the optimizer."""
        ...

    def share(self, config: C, step: "Step", row: "Row", logprobs: "torch.Tensor") -> "Share":
        """The row's share of the step's loss and figures; runs only in the trainer's process.

        `logprobs`: [N] of the row's answer tokens under the learning policy. The shares of a
        step's rows add up to the step, however it is cut into rows.
        """
        ...
