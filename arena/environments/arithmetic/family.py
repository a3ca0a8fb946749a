"""One-step arithmetic on small numbers: a skill that no Space trains, so a loss of it shows.

Value of an answer: 1 if its last number is the right one, else 0. Anything may come before that
number, because small models explain themselves in many ways; the task itself may come behind it, as
in "7, that is 3 + 4". Numbers in words count where digits give no answer. The right number is never
one of the task's own, so repeating the task never passes.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from random import Random

from arena.environments.base import Score, Split, Task
from arena.environments.question import Question
from arena.environments.text.markup import read
from arena.environments.text.words import words
from judges.transcript import Check

HELDOUT_SHARE = 0.3  # of each trained kind's pairs of numbers
MAX_SHOWN_CHARACTERS = 20
# A minus between two numbers is not a sign: the last number of "5 = 9-4" is 4.
_NUMBER = re.compile(r"(?<![0-9])[-\u2212]?[0-9]+(?:\.[0-9]+)?")

_UNITS = words("zero one two three four five six seven eight nine")
_TEENS = words("ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen")
_TENS = words("twenty thirty forty fifty sixty seventy eighty ninety")
_SMALL = {word: number for number, word in enumerate(_UNITS + _TEENS)}
_LARGE = {word: 10 * number for number, word in enumerate(_TENS, start=2)}
# "one" alone is seldom a number, and never the right one.
_SPELLED = re.compile(
    rf"\b(?:({'|'.join(_LARGE)})(?:[- ]({'|'.join(_UNITS[1:])}))?"
    rf"|({'|'.join(word for word in _SMALL if word != 'one')}))\b",
    re.IGNORECASE,
)

Pair = tuple[int, int]


@dataclass(frozen=True)
class Operation:
    """A kind of task, made from pairs of numbers in either order."""

    pairs: Sequence[Pair]
    # Returns (the shown numbers, the answer); never raises for one of the pairs, in either order.
    make: Callable[[int, int], tuple[tuple[int, ...], int]]
    wordings: tuple[str, ...]  # format strings over the shown numbers
    solution: str  # the coded solver's: the same with the answer last
    restated: str  # a regular expression over the shown numbers: the task in other words


def _pairs(low: int, high: int) -> list[Pair]:
    return list(combinations_with_replacement(range(low, high + 1), 2))


TRAIN_OPERATIONS: dict[str, Operation] = {
    "sum": Operation(
        _pairs(2, 9),
        lambda a, b: ((a, b), a + b),
        ("What is {} + {}?", "What is {} plus {}?", "Complete the equation: {} + {} ="),
        "{} + {} = {}",
        r"\b{}\s*(?:\+|plus|and)\s*{}\b",
    ),
    "product": Operation(
        _pairs(2, 9),
        lambda a, b: ((a, b), a * b),
        ("What is {} * {}?", "What is {} times {}?", "Complete the equation: {} * {} ="),
        "{} * {} = {}",
        r"\b{}\s*(?:[*x\u00d7]|times|and|by)\s*{}\b",
    ),
}
UNSEEN_OPERATIONS: dict[str, Operation] = {
    "difference": Operation(
        [(a, b) for a, b in _pairs(2, 15) if a != b],
        lambda a, b: ((a + b, a), b),
        ("What is {} - {}?", "What is {} minus {}?", "Complete the equation: {} - {} ="),
        "{} - {} = {}",
        r"\b{}\s*(?:[-\u2212\u2013]|minus)\s*{}\b",
    ),
    "double": Operation(
        [(n, n) for n in range(2, 31)],
        lambda n, _: ((n,), 2 * n),
        ("What is the double of {}?", "What is twice {}?"),
        "Twice {} is {}",
        r"\b(?:double(?: of)?|twice)\s+{}\b",
    ),
    "half": Operation(
        [(n, n) for n in range(2, 31)],
        lambda n, _: ((2 * n,), n),
        ("What is half of {}?",),
        "Half of {} is {}",
        r"\bhalf of\s+{}\b",
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


class Arithmetic(Question):
    """Sums, differences and products of small numbers."""

    slug = "arithmetic"
    name = "Arithmetic"
    max_task_chars = 60

    def make_task(self, rng: Random, split: Split, difficulty: int = 0) -> Task:
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
        numbers = stated_numbers(task, read(text).text)
        if not numbers:
            return _score(False, "has no number")
        last = numbers[-1].replace("\u2212", "-")
        # float() takes any number of digits; int() refuses more than a few thousand.
        passed = float(last) == task.data["answer"]
        shown = last[:MAX_SHOWN_CHARACTERS]
        return _score(passed, f"ends with {shown} ({task.data['answer']} is right)")

    def answer(self, task: Task, rng: Random) -> str:
        numbers = task.data["numbers"]
        return f"{OPERATIONS[task.kind].solution.format(*numbers, task.data['answer'])}."


def stated_numbers(task: Task, text: str) -> list[str]:
    """The numbers in the text, without the task's own where it is repeated at the end."""
    restated = OPERATIONS[task.kind].restated.format(*task.data["numbers"])
    repeated = re.compile(rf"{restated}(?=[^0-9]*\Z)", re.IGNORECASE)
    in_digits = _NUMBER.findall(repeated.sub("", text))
    return in_digits or _NUMBER.findall(repeated.sub("", _SPELLED.sub(_in_digits, text)))


def _in_digits(found: re.Match[str]) -> str:
    large, unit, small = (part.casefold() if part else "" for part in found.groups())
    return str(_LARGE.get(large, 0) + _SMALL.get(unit or small, 0))


def _score(passed: bool, detail: str) -> Score:
    return Score(float(passed), passed, (Check("last number", passed, detail),))
