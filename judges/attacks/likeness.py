"""Answers that are nearly one text: whoever copies another seat cannot stand above it. Pure.

Seats answer at the same time, so nobody can tell who copied, and two seats may honestly say the same.
So nobody is punished: answers that are nearly the same, and that code found the same faults in,
share the mean of their scores. In a game they must have won as much, too: a move is one word.
In a short answer one word may be what matters, so short ones are copies only if they differ in
nothing but words that say nothing by themselves.
Measured: docs/decisions/answer-gates.md
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from statistics import fmean

from judges.transcript import OUTCOME, Answer, Ballot, Comparisons, Transcript

MIN_WORDS = 12  # of an answer that is not short
# Words that a short answer may have more or less of and still say the same; no negation is one.
EMPTY_WORDS = frozenset(
    [
        "a",
        "also",
        "an",
        "and",
        "are",
        "be",
        "indeed",
        "in",
        "inside",
        "is",
        "it",
        "just",
        "of",
        "oh",
        "one",
        "out",
        "quite",
        "really",
        "so",
        "the",
        "then",
        "this",
        "to",
        "too",
        "truly",
        "very",
        "well",
    ]
)
MIN_SHARED = 0.8  # of the longer one's words, in the same order
MAX_WORDS = 400  # of each answer; the rest is not compared
_SHARED = "Nearly another seat's text: both get the same score."


def alike(first: str, second: str) -> bool:
    """Whether two texts are nearly the same, whoever wrote them."""
    if min(len(_words(first)), len(_words(second))) >= MIN_WORDS:
        return are_nearly_one(first, second)
    said = _telling_words(first)
    return bool(said) and said == _telling_words(second)


def are_nearly_one(first: str, second: str) -> bool:
    """Whether two texts of any length have nearly the same words in the same order."""
    one, two = _words(first), _words(second)
    least = MIN_SHARED * max(len(one), len(two))
    if min(len(one), len(two)) < least or (Counter(one) & Counter(two)).total() < least:
        return False
    return _common(one, two) >= least


def copies(answers: Sequence[Answer]) -> list[tuple[int, ...]]:
    """Groups of seats, each in order, whose answers are alike and stand alike before the code."""
    group_of = {answer.seat: {answer.seat} for answer in answers}
    for one, two in combinations(answers, 2):
        if _standing(one) == _standing(two) and alike(one.text, two.text):
            joined = group_of[one.seat] | group_of[two.seat]
            group_of |= dict.fromkeys(joined, joined)
    return sorted({tuple(sorted(group)) for group in group_of.values() if len(group) > 1})


def levelled(ballot: Ballot, transcript: Transcript) -> Ballot:
    """The ballot with one score for the seats of each group of copies; abstentions stay."""
    groups = copies(transcript.answers) if ballot.scores else []
    if not groups:
        return ballot
    scores, reasons = dict(ballot.scores), dict(ballot.reasons)
    for group in groups:
        mean = fmean(ballot.scores[seat] for seat in group)
        scores |= dict.fromkeys(group, mean)
        reasons |= {seat: f"{reasons.get(seat, '')} {_SHARED}".strip() for seat in group}
    compared = ballot.comparisons
    return replace(
        ballot,
        scores=scores,
        reasons=reasons,
        comparisons=None if compared is None else _levelled(compared, groups),
    )


def _levelled(compared: Comparisons, groups: Sequence[tuple[int, ...]]) -> Comparisons:
    """Copies tie among themselves, and fare alike against everybody else."""
    group_of = {seat: group for group in groups for seat in group}
    totals: Counter[tuple[tuple[int, ...], tuple[int, ...]]] = Counter()
    for (first, second), preferred in compared.items():
        ours, theirs = group_of.get(first, (first,)), group_of.get(second, (second,))
        totals[ours, theirs] += preferred
        totals[theirs, ours] -= preferred
    found = {}
    for first, second in compared:
        ours, theirs = group_of.get(first, (first,)), group_of.get(second, (second,))
        total = 0 if ours == theirs else totals[ours, theirs]
        found[first, second] = (total > 0) - (total < 0)
    return found


def _standing(answer: Answer) -> tuple[set[str], float | None]:
    """What the code says of the answer: its faults, and in a game what it won by its moves."""
    has_payoff = any(check.name == OUTCOME for check in answer.checks)
    faults = {check.name for check in answer.checks if not check.passed}
    return faults, answer.score if has_payoff else None


def _words(text: str) -> list[str]:
    bare = (word.strip(".,;:!?\"'*_-()[]\u201c\u201d\u2018\u2019") for word in text.split())
    return [word.casefold() for word in bare if word][:MAX_WORDS]


def _telling_words(text: str) -> list[str]:
    return [word for word in _words(text) if word not in EMPTY_WORDS]


def _common(one: Sequence[str], two: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    longest = [0] * (len(two) + 1)
    for word in one:
        before, longest = longest, [0]
        for place, other in enumerate(two, start=1):
            grown = before[place - 1] + 1
            longest.append(grown if word == other else max(before[place], longest[-1]))
    return longest[-1]
