"""What the rubrics of open-ended answers have in common: lengths, own words, plain writing."""

import re
from collections.abc import Collection

from arena.environments.text.markup import Reading
from arena.environments.text.words import FUNCTION_WORDS, bare_words
from judges.transcript import Check

# An answer with this share of content words of its own is as original as any other: a story has to
# name its topic, and more words that the task lacks make it no better.
ORIGINAL_SHARE = 0.5

_MARKS = re.compile(
    r"\*\*|__|~~|```|\]\(|</?[a-z][a-z0-9]*>|^[ \t]*(?:#{1,6}[ \t]|>)", re.MULTILINE
)


def fitting(count: int, fewest: int, most: int) -> float:
    """1 for a count in the range; less the farther it is below or above, in [0, 1].

    Inside the range more is worth nothing; outside it, too little and too much both cost.
    """
    if count < fewest:
        return count / fewest
    return min(1.0, most / count) if count else 1.0


def originality(answer: Reading, prompt: str, *, demanded: Collection[str] = ()) -> float:
    """How much of the answer is its writer's, in [0, 1], by words that are neither in the prompt nor
    `demanded` by it; words like "the" don't count.
    """
    asked = {*bare_words(prompt), *demanded}
    said = {word for word in bare_words(answer.text) if word not in FUNCTION_WORDS}
    free = said - set(demanded)
    if not free:
        return 0.0
    own = sum(word not in asked for word in free) / len(free)
    return min(1.0, own / ORIGINAL_SHARE)


def has_list(answer: Reading) -> bool:
    return any(line.is_item for line in answer.lines)


def plain(answer: Reading) -> Check:
    """Whether the answer is written without headings, rules and other markup."""
    marked = any(line.is_heading or line.rule for line in answer.lines)
    passed = not marked and not _MARKS.search(answer.raw)
    return Check("plain", passed, "is plain text" if passed else "has a heading or other markup")
