"""What a check of a rule says about an answer.

`closeness` is 1 exactly when the rule holds; below that it says how close the answer came, so
that two failures can still be ranked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Params = Mapping[str, Any]


@dataclass(frozen=True)
class Finding:
    """What a rule measured in an answer."""

    closeness: float  # [0, 1]; 1 exactly when the rule holds
    detail: str  # completes "This answer ..."

    @property
    def passed(self) -> bool:
        return self.closeness >= 1.0


def near(got: int, wanted: int) -> float:
    """1 at the wanted count, 1/2 if off by one, 1/3 if off by two, ..."""
    return 1.0 / (1 + abs(got - wanted))


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
