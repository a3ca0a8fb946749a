"""Parameters that several rules draw in the same way."""

from collections.abc import Callable
from random import Random
from typing import Any


def nothing(rng: Random) -> dict[str, Any]:
    return {}


def count(low: int, high: int, step: int = 1) -> Callable[[Random], dict[str, Any]]:
    return lambda rng: {"n": rng.randrange(low, high + 1, step)}
