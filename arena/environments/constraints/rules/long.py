"""Rules that no answer of a few words keeps."""

from random import Random
from typing import Any

from arena.environments.constraints.checks import layouts, lengths, wording
from arena.environments.constraints.rules.draws import count
from arena.environments.constraints.rules.rule import Amount, Aspect, Rule

_LIST = frozenset([Aspect.COUNT, Aspect.LAYOUT, Aspect.START, Aspect.END])
_SENTENCES = frozenset([Amount.SENTENCES])
_BOTH = frozenset(Amount)


def _draw_sentences(rng: Random) -> dict[str, Any]:
    n = rng.randrange(1, 11)
    return {"n": n, "noun": "sentence" if n == 1 else "sentences"}


def _draw_word_range(rng: Random) -> dict[str, Any]:
    low = rng.randrange(20, 51, 5)
    return {"low": low, "high": low + 20}


def _draw_sentence_starts(rng: Random) -> dict[str, Any]:
    return {"letter": rng.choice("AIMSTW"), "n": rng.randrange(3, 6)}


LONG_RULES: dict[str, Rule] = {
    "bullets": Rule(
        count(2, 6),
        (
            "Answer with exactly {n} bullet points.",
            'Use a list of exactly {n} bullet points that start with "- ".',
        ),
        layouts.bullets,
        (
            "Write {n} bullet points about {name}.",
            'List {n} facts about {name} as bullet points that start with "- ".',
        ),
        settles=_LIST,
        fixes=_SENTENCES,
        is_long=True,
        is_list=True,
    ),
    "numbered": Rule(
        count(2, 6),
        (
            "Answer with a numbered list of exactly {n} points.",
            "Use exactly {n} points, numbered 1. to {n}.",
        ),
        layouts.numbered,
        (
            "Write a numbered list of {n} facts about {name}.",
            "List {n} things about {name}, numbered 1. to {n}.",
        ),
        settles=_LIST,
        fixes=_SENTENCES,
        is_long=True,
        is_list=True,
    ),
    "lines": Rule(
        count(3, 6),
        ("Write exactly {n} lines.", "Your answer must have exactly {n} lines of text."),
        layouts.lines,
        (
            "Write {n} lines about {name}.",
            "Write {n} facts about {name}, each on a line of its own.",
        ),
        settles=_LIST,
        fixes=_SENTENCES,
        is_long=True,
    ),
    "sentences": Rule(
        _draw_sentences,
        ("Use exactly {n} {noun}.", "Your answer must have exactly {n} {noun}."),
        lengths.sentences,
        ("Write exactly {n} {noun} about {name}.", "Describe {name} in exactly {n} {noun}."),
        settles=frozenset([Aspect.COUNT]),
        fixes=_SENTENCES,
        is_long=True,
    ),
    "min_sentences": Rule(
        count(3, 8),
        ("Use at least {n} sentences.", "Your answer must have {n} sentences or more."),
        lengths.min_sentences,
        (
            "Write at least {n} sentences about {name}.",
            "Describe {name} in {n} sentences or more.",
        ),
        settles=frozenset([Aspect.COUNT]),
        is_long=True,
    ),
    "min_words": Rule(
        count(25, 50, 5),
        ("Use at least {n} words.", "Your answer must have {n} words or more."),
        lengths.min_words,
        ("Write at least {n} words about {name}.", "Describe {name} in {n} words or more."),
        settles=frozenset([Aspect.COUNT]),
        is_long=True,
    ),
    "word_range": Rule(
        _draw_word_range,
        ("Use {low} to {high} words.", "Your answer must have between {low} and {high} words."),
        lengths.word_range,
        (
            "Write {low} to {high} words about {name}.",
            "Describe {name} in {low} to {high} words.",
        ),
        settles=frozenset([Aspect.COUNT]),
        fixes=_BOTH,
        is_long=True,
    ),
    "growing": Rule(
        count(3, 4),
        (
            "Use exactly {n} sentences, each longer than the one before it.",
            "Write {n} sentences. Each must have more words than the last.",
        ),
        lengths.growing,
        ("Write {n} sentences about {name}, each longer than the one before it.",),
        settles=frozenset([Aspect.COUNT]),
        fixes=_BOTH,
        is_long=True,
    ),
    "sentence_starts": Rule(
        _draw_sentence_starts,
        (
            "Use exactly {n} sentences that all begin with the letter {letter}.",
            "Write {n} sentences and begin each one with the letter {letter}.",
        ),
        wording.sentence_starts,
        ("Write {n} sentences about {name} that all begin with the letter {letter}.",),
        settles=frozenset([Aspect.COUNT, Aspect.START, Aspect.CASE]),
        adds=frozenset([Amount.WORDS]),
        fixes=_SENTENCES,
        is_long=True,
    ),
}
