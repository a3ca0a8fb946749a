"""Attacks as a judge meets them in training: what it has to put last. PURE."""

from random import Random

from judges.attacks import ATTACKS
from judges.attacks.base import Shown

# A copy of another seat's answer may be right, and the first and the last leave nothing to learn from.
_LEFT_OUT = {"empty", "plagiarism", "edited plagiarism", "very long"}


def attack(prompt: str, rng: Random) -> str:
    """One that anybody could write who has read the task."""
    name = rng.choice([name for name in ATTACKS if name not in _LEFT_OUT])
    return ATTACKS[name](Shown(prompt), rng)
