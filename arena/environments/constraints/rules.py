"""The rules of the Constraints Space: what each demands, and in which words.

A rule draws JSON parameters and words an instruction; `checks` measures it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from arena.environments.constraints import checks
from arena.environments.constraints.checks import Finding, Params
from arena.environments.text.markup import Reading
from arena.environments.text.words import words


@dataclass(frozen=True)
class Rule:
    """One verifiable demand on an answer."""

    draw: Callable[[Random], dict[str, Any]]
    wordings: tuple[str, ...]  # format strings over the parameters; follow a request
    check: Callable[[Params, Reading], Finding]
    # Whole prompts over the parameters and the topic's {name}, where a small model follows the
    # rule better when it is part of the request. Empty: request and instruction are two sentences.
    requests: tuple[str, ...] = ()

    def instruction(self, params: Params, rng: Random) -> str:
        return rng.choice(self.wordings).format_map(_shown(params))

    def request(self, params: Params, name: str, rng: Random) -> str:
        return rng.choice(self.requests).format_map({"name": name} | _shown(params))


def _shown(params: Params) -> dict[str, Any]:
    return {
        name: _listed(value) if isinstance(value, list | tuple) else value
        for name, value in params.items()
    }


def _listed(values: Sequence[str]) -> str:
    quoted = [f'"{value}"' for value in values]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"


def _nothing(rng: Random) -> dict[str, Any]:
    return {}


def _count(low: int, high: int, step: int = 1) -> Callable[[Random], dict[str, Any]]:
    return lambda rng: {"n": rng.randrange(low, high + 1, step)}


_INCLUDED = words(
    "light water small old green morning friend simple world quiet strong summer family color "
    "music winter gentle bright careful secret ancient favorite journey wonder"
)
_REPEATED = words("very always often many really great never little")
_STARTS = (
    "Today",
    "Indeed",
    "Often",
    "Clearly",
    "Sometimes",
    "Imagine",
    "Perhaps",
    "Everyone",
    "Truly",
    "Once",
)
_ENDINGS = (
    "That is all.",
    "The end.",
    "Thank you for reading.",
    "Now you know.",
    "I hope this helps.",
    "What a world!",
)
_KEYS = (
    ("name", "fact"),
    ("topic", "answer"),
    ("title", "text"),
    ("subject", "detail"),
    ("name", "color", "size"),
)


def _draw_include(rng: Random) -> dict[str, Any]:
    asked = rng.sample(_INCLUDED, rng.choice((1, 1, 2)))
    return {"words": asked, "noun": "the word" if len(asked) == 1 else "the words"}


def _draw_sentences(rng: Random) -> dict[str, Any]:
    n = rng.randrange(1, 4)
    return {"n": n, "noun": "sentence" if n == 1 else "sentences"}


def _draw_one_line(rng: Random) -> dict[str, Any]:
    low = rng.randrange(6, 11)
    return {"low": low, "high": low + 8}


TRAIN_RULES: dict[str, Rule] = {
    "lowercase": Rule(
        _nothing,
        (
            "Use only lowercase letters.",
            "Write everything in lower case, with no capital letters.",
            "No capital letters are allowed in your answer.",
        ),
        checks.lowercase,
        (
            "Write one sentence about {name} in lowercase.",
            "tell me about {name} in all lowercase letters",
            "write one sentence about {name}. use only lowercase letters.",
        ),
    ),
    "uppercase": Rule(
        _nothing,
        (
            "Use only CAPITAL LETTERS.",
            "Write everything in UPPER CASE.",
            "ANSWER IN ALL CAPS, with no lowercase letters.",
        ),
        checks.uppercase,
        (
            "Write one sentence about {name} in ALL CAPS.",
            "WRITE ONE SENTENCE ABOUT {name}. USE ONLY CAPITAL LETTERS.",
        ),
    ),
    "include": Rule(
        _draw_include,
        ("Use {noun} {words}.", "Include {noun} {words} in your answer."),
        checks.include,
        (
            "Write one sentence about {name} with {noun} {words}.",
            "Write one sentence about {name}. Use {noun} {words}.",
            "Tell me about {name} using {noun} {words}.",
        ),
    ),
    "bullets": Rule(
        _count(2, 4),
        (
            "Answer with exactly {n} bullet points.",
            'Use a list of exactly {n} bullet points that start with "- ".',
        ),
        checks.bullets,
        (
            "Write {n} bullet points about {name}.",
            'List {n} facts about {name} as bullet points that start with "- ".',
        ),
    ),
    "numbered": Rule(
        _count(2, 4),
        (
            "Answer with a numbered list of exactly {n} points.",
            "Use exactly {n} points, numbered 1. to {n}.",
        ),
        checks.numbered,
        (
            "Write a numbered list of {n} facts about {name}.",
            "List {n} things about {name}, numbered 1. to {n}.",
        ),
    ),
    "sentences": Rule(
        _draw_sentences,
        ("Use exactly {n} {noun}.", "Your answer must have exactly {n} {noun}."),
        checks.sentences,
    ),
    "end_phrase": Rule(
        lambda rng: {"phrase": rng.choice(_ENDINGS)},
        (
            "End with exactly these words: {phrase}",
            'The last words of your answer must be "{phrase}"',
        ),
        checks.end_phrase,
        (
            "Write one sentence about {name} and then write: {phrase}",
            'Write one sentence about {name}. Finish with the words "{phrase}"',
            "Say one thing about {name} and end with: {phrase}",
        ),
    ),
    "start_word": Rule(
        lambda rng: {"word": rng.choice(_STARTS)},
        ('Start with the word "{word}".', 'The first word of your answer must be "{word}".'),
        checks.start_word,
        (
            'Write one sentence about {name}, beginning with "{word}"',
            'Write one sentence about {name} that starts with the word "{word}".',
            'Tell me about {name}, starting with "{word}"',
        ),
    ),
    "json_keys": Rule(
        lambda rng: {"keys": list(rng.choice(_KEYS))},
        (
            "Answer only with a JSON object with the keys {keys}.",
            "Write your answer as JSON with exactly these keys: {keys}.",
        ),
        checks.json_keys,
    ),
    "no_commas": Rule(
        _nothing,
        ("Do not use any commas.", "Your answer must contain no commas."),
        checks.no_commas,
    ),
    "max_words": Rule(
        _count(12, 24, 4),
        ("Use at most {n} words.", "Answer in {n} words or fewer."),
        checks.max_words,
    ),
    "min_words": Rule(
        _count(25, 40, 5),
        ("Use at least {n} words.", "Your answer must have {n} words or more."),
        checks.min_words,
    ),
    "quotes": Rule(
        _nothing,
        (
            "Wrap your whole answer in double quotes.",
            'Put your entire answer inside double quotation marks "like this".',
        ),
        checks.quotes,
        (
            'Write one sentence about {name} in "double quotes".',
            "Write a quote about {name} in double quotes. Write only the quote.",
        ),
    ),
    "title": Rule(
        _nothing,
        (
            "Begin with a title in double angle brackets, like <<title>>.",
            "Give it a title wrapped in double angle brackets, such as <<title>>.",
        ),
        checks.title,
        (
            "Write a title for a story about {name} in double angle brackets, like <<My Title>>.",
            "Write one sentence about {name} below a title in double angle brackets, like <<My Title>>.",
        ),
    ),
    "repeat": Rule(
        lambda rng: {"word": rng.choice(_REPEATED), "n": 2},
        (
            'Use the word "{word}" at least {n} times.',
            'The word "{word}" must appear {n} times or more.',
        ),
        checks.repeat,
        (
            'Write one sentence about {name}. Use the word "{word}" at least twice.',
            'Write about {name} and use the word "{word}" at least twice.',
        ),
    ),
    "one_line": Rule(
        _draw_one_line,
        (
            "Write one single line of {low} to {high} words.",
            "Answer on one line with {low} to {high} words.",
        ),
        checks.one_line,
    ),
    "number": Rule(
        _nothing,
        (
            "Include at least one number written in digits.",
            "Your answer must contain a number in digits, such as 7.",
        ),
        checks.number,
        (
            "Write one sentence about {name} with a number in it, such as 7.",
            "Tell me about {name} in one sentence and give a number.",
            "How many {name} are there? Answer in one sentence with a number in digits.",
        ),
    ),
}

# (first, second): the order in which the solver applies them.
TRAIN_PAIRS: tuple[tuple[str, str], ...] = (
    ("include", "lowercase"),
    ("max_words", "uppercase"),
    ("sentences", "no_commas"),
    ("bullets", "lowercase"),
    ("number", "no_commas"),
    ("end_phrase", "start_word"),
    ("include", "title"),
    ("max_words", "quotes"),
)

UNSEEN_RULES: dict[str, Rule] = {
    "paragraphs": Rule(
        _count(2, 3),
        ("Write exactly {n} paragraphs with a blank line between them.",),
        checks.paragraphs,
    ),
    "separator": Rule(
        _nothing,
        ("Write two short parts with a line of three stars (***) between them.",),
        checks.separator,
    ),
    "question": Rule(_nothing, ("End your answer with a question mark.",), checks.question),
    "capitalized": Rule(_nothing, ("Start every word with a capital letter.",), checks.capitalized),
    "postscript": Rule(
        _nothing, ("Add a postscript at the end that starts with P.S.",), checks.postscript
    ),
}
RULES: dict[str, Rule] = TRAIN_RULES | UNSEEN_RULES
