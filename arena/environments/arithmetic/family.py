"""One-step arithmetic on small numbers: a skill that no Space trains, so a loss of it shows.

Value of an answer: 1 if its last number is the right one, else 0. Anything may come before that
number, because small models explain themselves in many ways. The right number is never one of the
task's own, so repeating the task never passes.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from random import Random

from arena.environments.base import Score, Split, Task
from arena.environments.text.words import readable
from judges.transcript import Check

HELDOUT_SHARE = 0.3  # of each trained kind's pairs of numbers
MAX_SHOWN_CHARACTERS = 20
# A minus between two numbers is not a sign: the last number of "9-4=5, 9-4" is 4.
_NUMBER = re.compile(r"(?<![0-9])[-\u2212]?[0-9]+(?:\.[0-9]+)?")

Pair = tuple[int, int]


@dataclass(frozen=True)
class Operation:
    """A kind of task, made from pairs of numbers in either order."""

    pairs: Sequence[Pair]
    # Returns (the shown numbers, the answer); never raises for one of the pairs, in either order.
    make: Callable[[int, int], tuple[tuple[int, ...], int]]
    wordings: tuple[str, ...]  # format strings over the shown numbers
    solution: str  # the coded solver's: the same with the answer last


def _pairs(low: int, high: int) -> list[Pair]:
    return list(combinations_with_replacement(range(low, high + 1), 2))


TRAIN_OPERATIONS: dict[str, Operation] = {
    "sum": Operation(
        _pairs(2, 9),
        lambda a, b: ((a, b), a + b),
        ("What is {} + {}?", "What is {} plus {}?", "Complete the equation: {} + {} ="),
        "{} + {} = {}",
    ),
    "product": Operation(
        _pairs(2, 9),
        lambda a, b: ((a, b), a * b),
        ("What is {} * {}?", "What is {} times {}?", "Complete the equation: {} * {} ="),
        "{} * {} = {}",
    ),
}
UNSEEN_OPERATIONS: dict[str, Operation] = {
    "difference": Operation(
        [(a, b) for a, b in _pairs(2, 15) if a != b],
        lambda a, b: ((a + b, a), b),
        ("What is {} - {}?", "What is {} minus {}?", "Complete the equation: {} - {} ="),
        "{} - {} = {}",
    ),
    "double": Operation(
        [(n, n) for n in range(2, 31)],
        lambda n, _: ((n,), 2 * n),
        ("What is the double of {}?", "What is twice {}?"),
        "Twice {} is {}",
    ),
    "half": Operation(
        [(n, n) for n in range(2, 31)],
        lambda n, _: ((2 * n,), n),
        ("What is half of {}?",),
        "Half of {} is {}",
    ),
}
OPERATIONS: dict[str, Operation] = TRAIN_OPERATIONS | UNSEEN_OPERATIONS


def _divided(kind: str, pairs: Sequence[Pair]) -> tuple[list[Pair], list[Pair]]:
    """(held out, the others): the same every time, with similar difficulty."""
    mixed = list(pairs)
    Random(f"arithmetic:{kind}").shuffle(mixed)
    cut = round(HELDOUT_SHARE * len(mixed))
    return mixed[:cut], mixed[cut:]


_DIVIDED = {kind: _divided(kind, each.pairs) for kind, each in TRAIN_OPERATIONS.items()}
PAIRS: dict[Split, dict[str, Sequence[Pair]]] = {
    Split.TRAIN: {kind: others for kind, (_, others) in _DIVIDED.items()},
    Split.HELDOUT: {kind: heldout for kind, (heldout, _) in _DIVIDED.items()},
    Split.UNSEEN: {kind: each.pairs for kind, each in UNSEEN_OPERATIONS.items()},
}


class Arithmetic:
    """Sums, differences and products of small numbers."""

    slug = "arithmetic"
    name = "Arithmetic"

    def make_task(self, rng: Random, split: Split) -> Task:
        kind = rng.choice(tuple(PAIRS[split]))
        pair = rng.choice(PAIRS[split][kind])
        shown, answer = OPERATIONS[kind].make(*rng.sample(pair, k=2))
        return Task(
            kind=kind,
            prompt=rng.choice(OPERATIONS[kind].wordings).format(*shown),
            data={"numbers": list(shown), "answer": answer},
            split=split,
        )

    def score(self, task: Task, text: str) -> Score:
        numbers = _NUMBER.findall(readable(text))
        if not numbers:
            return _score(False, "has no number")
        last = numbers[-1].replace("\u2212", "-")
        # float() takes any number of digits; int() refuses more than a few thousand.
        passed = float(last) == task.data["answer"]
        shown = last[:MAX_SHOWN_CHARACTERS]
        return _score(passed, f"ends with {shown} ({task.data['answer']} is right)")

    def solve(self, task: Task, rng: Random) -> str:
        numbers = task.data["numbers"]
        return f"{OPERATIONS[task.kind].solution.format(*numbers, task.data['answer'])}."


def _score(passed: bool, detail: str) -> Score:
    return Score(float(passed), passed, (Check("last number", passed, detail),))
