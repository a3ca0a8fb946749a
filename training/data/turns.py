"""What the turns of practised episodes are worth to the agent that took them. Pure.

Episodes from one opening, in one role, against the same opponents are a group. The mean of its
rewards is the baseline (by role: SPIRAL, arXiv:2506.24119; by turn and agent: MARSHAL,
arXiv:2510.15414); why, and why the discount comes after it: docs/decisions/self-play.md
"""

from collections.abc import Sequence
from dataclasses import dataclass

ILLEGAL_REWARD = 0.0  # as for losing everything


@dataclass(frozen=True)
class OwnTry:
    """One try of the agent to move, in the order in which it made them."""

    is_legal: bool
    ends_turn: bool  # false: an illegal try, after which it was asked once more


@dataclass(frozen=True)
class Credit:
    """What a try is trained on: its advantage is `weight * (reward - the group's mean reward)`."""

    reward: float  # [0, 1]
    weight: float  # (0, 1]


def credits_of(tries: Sequence[OwnTry], *, payoff: float, discount: float) -> list[Credit]:
    """One for each try of an ended episode, in which the agent got `payoff`.

    A legal move counts for the payoff, discounted once for each later turn of the agent. An illegal
    try is its own result, whatever the episode came to.
    """
    credits, later = [], sum(one.ends_turn for one in tries)
    for one in tries:
        later -= one.ends_turn
        if one.is_legal:
            credits.append(Credit(reward=payoff, weight=discount**later))
        else:
            credits.append(Credit(reward=ILLEGAL_REWARD, weight=1.0))
    return credits
