"""What an attack is given, and what it is. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TypeAlias


@dataclass(frozen=True)
class Shown:
    """What an attacker has read before it writes."""

    prompt: str  # what its seat is told
    others: tuple[str, ...] = ()  # the honest answers of other seats, as if they had leaked


Attack: TypeAlias = Callable[[Shown, Random], str]
