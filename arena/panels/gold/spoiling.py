"""Ways to make a good answer worse, so that everybody would agree on the order. Pure."""

from collections.abc import Callable, Mapping
from random import Random

MIN_WORDS_TO_SHUFFLE = 6
MIN_WORDS_TO_CUT = 9
CUT_SHARE = 1 / 3

# (good answer, the task's prompt, a good answer to another task, rng) -> worse answer; None: it does
# not go with so short an answer
Spoil = Callable[[str, str, str, Random], str | None]


def _off_topic(good: str, prompt: str, other: str, rng: Random) -> str | None:
    return other


def _shuffled(good: str, prompt: str, other: str, rng: Random) -> str | None:
    words = good.split()
    if len(words) < MIN_WORDS_TO_SHUFFLE:
        return None
    mixed = words[:]
    rng.shuffle(mixed)
    return " ".join(mixed) if mixed != words else None


def _truncated(good: str, prompt: str, other: str, rng: Random) -> str | None:
    words = good.split(" ")
    if len(words) < MIN_WORDS_TO_CUT:
        return None
    return " ".join(words[: int(len(words) * CUT_SHARE)])


def _copied(good: str, prompt: str, other: str, rng: Random) -> str | None:
    return prompt


SPOILED: Mapping[str, Spoil] = {
    "off topic": _off_topic,
    "shuffled words": _shuffled,
    "cut off": _truncated,
    "copied task": _copied,
}
