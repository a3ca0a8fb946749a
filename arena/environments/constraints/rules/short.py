"""Rules that a short answer can keep: its case, its marks, its shape, at most so many words."""

from random import Random
from typing import Any

from arena.environments.constraints.checks import characters, layouts, lengths
from arena.environments.constraints.checks.finding import Params
from arena.environments.constraints.rules.draws import count, nothing
from arena.environments.constraints.rules.rule import Amount, Aspect, Rule
from arena.environments.text.words import words

_BOTH = frozenset(Amount)
_KEYS = (
    ("name", "fact"),
    ("topic", "answer"),
    ("title", "text"),
    ("subject", "detail"),
    ("name", "color", "size"),
)
_LABELS = (
    ("Name", "Fact"),
    ("Topic", "Answer"),
    ("Subject", "Detail", "Reason"),
    ("Title", "Text", "Lesson"),
)


def _draw_one_line(rng: Random) -> dict[str, Any]:
    low = rng.randrange(6, 11)
    return {"low": low, "high": low + 8}


def _draw_exact_words(rng: Random) -> dict[str, Any]:
    n = rng.choice((1, 2, 3, 4, 5, 8, 10, 12))
    return {"n": n, "noun": "word" if n == 1 else "words"}


def _has_a_word_to_spare(params: Params, name: str) -> bool:
    count: int = params["n"]
    return count == 1 or count > len(words(name))


SHORT_RULES: dict[str, Rule] = {
    "lowercase": Rule(
        nothing,
        (
            "Use only lowercase letters.",
            "Write everything in lower case, with no capital letters.",
            "No capital letters are allowed in your answer.",
        ),
        characters.lowercase,
        (
            "Write one sentence about {name} in lowercase.",
            "tell me about {name} in all lowercase letters",
            "write one sentence about {name}. use only lowercase letters.",
        ),
        settles=frozenset([Aspect.CASE]),
    ),
    "uppercase": Rule(
        nothing,
        (
            "Use only CAPITAL LETTERS.",
            "Write everything in UPPER CASE.",
            "ANSWER IN ALL CAPS, with no lowercase letters.",
        ),
        characters.uppercase,
        (
            "Write one sentence about {name} in ALL CAPS.",
            "WRITE ONE SENTENCE ABOUT {name}. USE ONLY CAPITAL LETTERS.",
        ),
        settles=frozenset([Aspect.CASE]),
    ),
    "json_keys": Rule(
        lambda rng: {"keys": list(rng.choice(_KEYS))},
        (
            "Answer only with a JSON object with the keys {keys}.",
            "Write your answer as JSON with exactly these keys: {keys}.",
        ),
        layouts.json_keys,
        settles=frozenset(Aspect) - {Aspect.CLAUSE},
        adds=frozenset([Amount.WORDS]),
        fixes=_BOTH,
        is_list=True,
    ),
    "no_commas": Rule(
        nothing,
        ("Do not use any commas.", "Your answer must contain no commas."),
        characters.no_commas,
        settles=frozenset([Aspect.COMMAS]),
    ),
    "max_words": Rule(
        count(12, 24, 4),
        ("Use at most {n} words.", "Answer in {n} words or fewer."),
        lengths.max_words,
        settles=frozenset([Aspect.COUNT]),
        fixes=_BOTH,
    ),
    "quotes": Rule(
        nothing,
        (
            "Wrap your whole answer in double quotes.",
            'Put your entire answer inside double quotation marks "like this".',
        ),
        characters.quotes,
        (
            'Write one sentence about {name} in "double quotes".',
            "Write a quote about {name} in double quotes. Write only the quote.",
        ),
        settles=frozenset([Aspect.LAYOUT, Aspect.START, Aspect.END]),
    ),
    "title": Rule(
        nothing,
        (
            "Begin with a title in double angle brackets, like <<title>>.",
            "Give it a title wrapped in double angle brackets, such as <<title>>.",
        ),
        layouts.title,
        (
            "Write a title for a story about {name} in double angle brackets, like <<My Title>>.",
            "Write one sentence about {name} below a title in double angle brackets, like <<My Title>>.",
        ),
        settles=frozenset([Aspect.LAYOUT, Aspect.START, Aspect.STOPS]),
        adds=_BOTH,
    ),
    "one_line": Rule(
        _draw_one_line,
        (
            "Write one single line of {low} to {high} words.",
            "Answer on one line with {low} to {high} words.",
        ),
        lengths.one_line,
        settles=frozenset([Aspect.COUNT, Aspect.LAYOUT]),
        adds=frozenset([Amount.WORDS]),
        fixes=_BOTH,
    ),
    "exact_words": Rule(
        _draw_exact_words,
        ("Use exactly {n} {noun}.", "Answer in exactly {n} {noun}."),
        lengths.exact_words,
        (
            "Describe {name} in exactly {n} {noun}.",
            "Say something about {name} in exactly {n} {noun}.",
        ),
        settles=frozenset([Aspect.COUNT, Aspect.LAYOUT]),
        adds=frozenset([Amount.WORDS]),
        fixes=_BOTH,
        is_list=True,
        suits=_has_a_word_to_spare,
    ),
    "exclaim": Rule(
        nothing,
        (
            "End every sentence with an exclamation mark.",
            "Every sentence of your answer must end with an exclamation mark.",
        ),
        characters.exclaim,
        (
            "Write one sentence about {name} that ends with an exclamation mark.",
            "Write one excited sentence about {name}, ending with an exclamation mark.",
        ),
        settles=frozenset([Aspect.STOPS]),
    ),
    "semicolon": Rule(
        nothing,
        ("Use exactly one semicolon.", "Your answer must contain exactly one semicolon."),
        characters.semicolon,
        (
            "Write one sentence about {name} with exactly one semicolon in it.",
            "Write one sentence about {name}. Use exactly one semicolon.",
        ),
        settles=frozenset([Aspect.CLAUSE]),
        adds=frozenset([Amount.WORDS]),
    ),
    "parentheses": Rule(
        nothing,
        (
            "Put exactly one remark in parentheses.",
            "Use parentheses exactly once, around a few words.",
        ),
        characters.parentheses,
        (
            "Write one sentence about {name} with one remark in parentheses.",
            "Tell me about {name} in one sentence and put a few words in parentheses.",
        ),
        settles=frozenset([Aspect.CLAUSE]),
        adds=frozenset([Amount.WORDS]),
    ),
    "highlight": Rule(
        count(1, 3),
        (
            "Mark at least {n} of your words with stars, like *this*.",
            "Highlight {n} or more words with stars, like *this*.",
        ),
        characters.highlight,
        (
            "Write one sentence about {name} and mark {n} or more of its words like *this*.",
            "Write about {name}. Put stars around at least {n} words, like *this*.",
        ),
        settles=frozenset([Aspect.LAYOUT]),
    ),
    "percent": Rule(
        nothing,
        ("Include a percentage, such as 40%.", "Your answer must contain a percentage."),
        characters.percent,
        (
            "Write one sentence about {name} with a percentage in it, such as 40%.",
            "Tell me about {name} in one sentence and give a percentage.",
        ),
        settles=frozenset([Aspect.CLAUSE]),
        adds=frozenset([Amount.WORDS]),
    ),
    "labels": Rule(
        lambda rng: {"keys": list(rng.choice(_LABELS))},
        (
            "Answer with a line for each of these labels, with a colon behind it: {keys}.",
            "Use one line for each of {keys}, in the form Label: text.",
        ),
        layouts.labels,
        settles=frozenset(Aspect) - {Aspect.CLAUSE, Aspect.COMMAS},
        adds=frozenset([Amount.WORDS]),
        fixes=_BOTH,
        is_list=True,
    ),
    "question_answer": Rule(
        nothing,
        (
            "Begin with a question and then answer it.",
            "Ask a question first, and answer it after that.",
        ),
        layouts.question_answer,
        (
            "Ask a question about {name} and then answer it.",
            "Write a question about {name} and its answer.",
        ),
        settles=frozenset([Aspect.COUNT, Aspect.LAYOUT, Aspect.START, Aspect.STOPS]),
        adds=frozenset([Amount.WORDS]),
    ),
}
