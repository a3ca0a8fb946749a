"""What a training method says of itself; everybody else asks it. Pure.

A method is a class in a file of its own and a line of METHODS in training.methods. Web processes and
workers load that file, so that torch and the trainer's modules must not be imported at its top.
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


# What the trainer tells of every step, whatever the method.
LOSS = ChartWords("loss", "Loss", "on its training examples; lower is better")
BASE_KL = ChartWords("base_kl", "Distance to the base", "KL divergence on rehearsed answers")
GRADIENT = ChartWords("grad_norm", "Gradient norm", "how hard each step pulls")
# For methods whose loss tells it.
KL = ChartWords("kl", "Distance to the parent", "KL divergence per token")


@dataclass(frozen=True)
class RunSize:
    """What a run takes of the pairs that are there."""

    pairs: int  # that the run is about: the newest
    answers: int  # shown in each epoch; the price counts them


@dataclass(frozen=True)
class PracticeSize:
    """What an agent practises before it learns."""

    tasks: int  # at most, the newest played first
    rollouts: int  # answers to each task, played and shared ones among them
    share: int  # of these, so many by other competitors


class Method(Protocol[C]):
    """A way to learn from what judges prefer."""

    name: str  # in agents' choices, runs, manifests and job files: it never changes
    config_class: type[C]  # the owner's choices; its `method` is this name
    presets: Mapping[str, C]  # by each of training.configs.configs.PRESETS
    examples: ExampleKind  # what it learns from
    # Whether a run ends that loses touch with its parent; the loss then tells the figure "kl".
    has_kl_guard: bool
    words: MethodWords
    charts: tuple[ChartWords, ...]  # in the order in which a run's page shows them

    def size(self, config: C, *, pairs: int, tasks: int) -> RunSize:
        """What a run takes of `pairs` pairs, which are about so many different tasks."""
        ...

    def practice(self, config: C) -> PracticeSize | None:
        """What comes before learning; None where nothing is practised. Groups need it."""
        ...

    def examples_per_step(self, config: C) -> int:
        """Examples averaged for one step of the optimizer."""
        ...

    def share(self, config: C, step: "Step", row: "Row", logprobs: "torch.Tensor") -> "Share":
        """The row's share of the step's loss and figures, in the trainer's process only.

        `logprobs`: [N] of the row's answer tokens under the policy that learns. Shares of a
        step's rows add up to the step, however it is cut into rows.
        """
        ...
