"""What the sweep freed, and how one kind of thing is collected. PURE."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Freed:
    """Things and bytes; the bytes of rows are not counted, since a database reuses their room."""

    count: int = 0
    size_bytes: int = 0

    def __add__(self, other: "Freed") -> "Freed":
        return Freed(self.count + other.count, self.size_bytes + other.size_bytes)


@dataclass(frozen=True)
class Kind:
    """One kind of thing with its retention."""

    name: str
    what: str  # in the plural, for the operator
    kept: Callable[[], str]  # how long, in words
    due: Callable[[], Freed]  # what waits to be collected
    collect: Callable[[], Freed]  # collects one batch; nothing once nothing is due
