"""The rules of the Constraints Space: what each asks for and how it is checked.

A rule draws JSON parameters, words an instruction and measures an answer. `closeness` is 1
exactly when the rule holds; below that it tells how near the answer came, so that two failures
can still be ranked.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from arena.environments.words import words

Params = Mapping[str, Any]


@dataclass(frozen=True)
class Finding:
    """What a rule measured in an answer."""

    closeness: float  # [0, 1]; 1 exactly when the rule holds
    detail: str  # completes "This answer ..."

    @property
    def passed(self) -> bool:
        return self.closeness >= 1.0


@dataclass(frozen=True)
class Rule:
    """One verifiable demand on an answer."""

    draw: Callable[[Random], dict[str, Any]]
    wordings: tuple[str, ...]  # format strings over the parameters
    check: Callable[[Params, str], Finding]

    def instruction(self, params: Params, rng: Random) -> str:
        shown = {
            name: _listed(value) if isinstance(value, list | tuple) else value
            for name, value in params.items()
        }
        return rng.choice(self.wordings).format_map(shown)


def _listed(values: Sequence[str]) -> str:
    quoted = [f'"{value}"' for value in values]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"


def _nothing(rng: Random) -> dict[str, Any]:
    return {}


def _count(low: int, high: int, step: int = 1) -> Callable[[Random], dict[str, Any]]:
    return lambda rng: {"n": rng.randrange(low, high + 1, step)}


def _near(got: int, wanted: int) -> float:
    """1 at the wanted count, 1/2 one beside it, 1/3 two beside it, ..."""
    return 1.0 / (1 + abs(got - wanted))


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


# --- letters and marks ---------------------------------------------------------------------


def _lowercase(params: Params, text: str) -> Finding:
    bad = sum(word != word.lower() for word in text.split())
    return Finding(_near(bad, 0), f"has {_plural(bad, 'word')} with upper case letters")


def _uppercase(params: Params, text: str) -> Finding:
    tokens = text.split()
    bad = sum(word != word.upper() for word in tokens)
    share = 1 - bad / len(tokens) if tokens else 0.0
    return Finding(share, f"has {_plural(bad, 'word')} with lower case letters")


def _no_commas(params: Params, text: str) -> Finding:
    commas = text.count(",")
    return Finding(_near(commas, 0), f"has {_plural(commas, 'comma')}")


def _quotes(params: Params, text: str) -> Finding:
    opens = text.startswith('"')
    closes = len(text) > 1 and text.endswith('"')
    shown = {2: "is wrapped in quotes", 1: "has a quote at one end only", 0: "has no quotes around"}
    return Finding((opens + closes) / 2, shown[opens + closes])


def _number(params: Params, text: str) -> Finding:
    if re.search(r"\d", text):
        return Finding(1.0, "has a number in digits")
    spelled = any(word in _NUMBER_WORDS for word in words(text))
    return Finding(0.5 if spelled else 0.0, "has no number in digits")


_NUMBER_WORDS = frozenset(words("two three four five six seven eight nine ten hundred thousand"))


def _title(params: Params, text: str) -> Finding:
    found = re.search(r"<<([^<>\n]{1,100})>>", text)
    if found and words(found.group(1)) not in ([], ["title"]):
        return Finding(1.0, "has a title in <<double angle brackets>>")
    halves = ("<<" in text) + (">>" in text)
    return Finding(0.3 * halves, "has no title in <<double angle brackets>>")


# --- words ---------------------------------------------------------------------------------

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


def _include(params: Params, text: str) -> Finding:
    said = set(words(text))
    missing = [word for word in params["words"] if word not in said]
    total = len(params["words"])
    if not missing:
        return Finding(1.0, "uses every word that was asked for")
    used = total - len(missing)
    return Finding(used / total, f"uses {used} of {_plural(total, 'word')} that were asked for")


def _repeat(params: Params, text: str) -> Finding:
    got, wanted = words(text).count(params["word"]), params["n"]
    detail = f"says “{params['word']}” {_plural(got, 'time')}, at least {wanted} were asked"
    return Finding(min(1.0, got / wanted), detail)


def _start_word(params: Params, text: str) -> Finding:
    said = words(text)
    wanted = params["word"].casefold()
    if text[:1].isalpha() and said[:1] == [wanted]:
        return Finding(1.0, f"starts with “{params['word']}”")
    near = 0.5 if wanted in said[:5] else 0.0
    return Finding(near, f"does not start with “{params['word']}”")


def _end_phrase(params: Params, text: str) -> Finding:
    phrase = params["phrase"]
    if text.casefold().endswith(phrase.casefold()):
        return Finding(1.0, f"ends with “{phrase}”")
    near = 0.5 if phrase.casefold() in text.casefold() else 0.0
    return Finding(near, f"does not end with “{phrase}”")


def _max_words(params: Params, text: str) -> Finding:
    got, limit = len(words(text)), params["n"]
    detail = f"has {_plural(got, 'word')}, at most {limit} were asked"
    return Finding(1.0 if got <= limit else limit / (got + limit), detail)


def _min_words(params: Params, text: str) -> Finding:
    got, wanted = len(words(text)), params["n"]
    return Finding(
        min(1.0, got / wanted), f"has {_plural(got, 'word')}, at least {wanted} were asked"
    )


# --- shapes --------------------------------------------------------------------------------


def _bullets(params: Params, text: str) -> Finding:
    got = len(re.findall(r"^[ \t]*[-*•][ \t]+\S", text, re.MULTILINE))
    wanted = params["n"]
    closeness = _near(got, wanted) if got else 0.0
    return Finding(closeness, f"uses {_plural(got, 'bullet point')}, {wanted} were asked")


def sentence_count(text: str) -> int:
    """Stretches with a word in them, parted by ., ! or ? before a blank or the end."""
    return sum(bool(words(part)) for part in re.split(r"[.!?]+[\"')\]]*(?:\s+|$)", text))


def _sentences(params: Params, text: str) -> Finding:
    got, wanted = sentence_count(text), params["n"]
    return Finding(_near(got, wanted), f"has {_plural(got, 'sentence')}, {wanted} were asked")


def _one_line(params: Params, text: str) -> Finding:
    lines, got = text.count("\n") + 1, len(words(text))
    outside = max(params["low"] - got, got - params["high"], 0)
    closeness = _near(outside, 0) / lines
    shown = f"has {_plural(got, 'word')} on {_plural(lines, 'line')}"
    return Finding(closeness, f"{shown}, {params['low']} to {params['high']} on one were asked")


def _json_keys(params: Params, text: str) -> Finding:
    wanted = params["keys"]
    body = re.sub(r"^```(?:json)?\s*|\s*```$", "", text)
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        seen = sum(f'"{key}"' in text for key in wanted) / len(wanted)
        return Finding(0.25 * text.startswith("{") + 0.25 * seen, "is not valid JSON")
    if not isinstance(value, dict):
        return Finding(0.2, "is JSON but not an object")
    matching = [key for key in wanted if _is_filled(value.get(key))]
    if len(matching) == len(wanted) == len(value):
        return Finding(1.0, "is a JSON object with the keys that were asked for")
    share = len(matching) / max(len(wanted), len(value))
    return Finding(
        0.5 + 0.4 * share, f"is JSON with {len(matching)} of {_plural(len(wanted), 'key')} right"
    )


def _is_filled(value: object) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    return value is not None and value not in ([], {})


def _paragraphs(params: Params, text: str) -> Finding:
    got = sum(bool(words(part)) for part in re.split(r"\n[ \t]*\n", text))
    wanted = params["n"]
    return Finding(_near(got, wanted), f"has {_plural(got, 'paragraph')}, {wanted} were asked")


def _separator(params: Params, text: str) -> Finding:
    parts = text.split("***")
    if len(parts) == 2 and all(words(part) for part in parts):
        return Finding(1.0, "has two parts with *** between")
    return Finding(0.4 if len(parts) > 1 else 0.0, "is not two parts with *** between")


def _question(params: Params, text: str) -> Finding:
    if text.endswith("?"):
        return Finding(1.0, "ends with a question mark")
    return Finding(0.5 if "?" in text else 0.0, "does not end with a question mark")


def _capitalized(params: Params, text: str) -> Finding:
    initials = [found.group()[0] for found in re.finditer(r"[^\W\d_][\w'\u2019-]*", text)]
    bad = sum(letter != letter.upper() for letter in initials)
    share = 1 - bad / len(initials) if initials else 0.0
    return Finding(share, f"has {_plural(bad, 'word')} that do not start with a capital letter")


def _postscript(params: Params, text: str) -> Finding:
    found = re.search(r"^[ \t]*P\.\s?S\.(.*)", text, re.MULTILINE | re.DOTALL)
    if found and words(found.group(1)) and words(text[: found.start()]):
        return Finding(1.0, "ends with a postscript")
    return Finding(0.5 if re.search(r"\bP\.? ?S\b", text) else 0.0, "has no postscript")


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
        _lowercase,
    ),
    "uppercase": Rule(
        _nothing,
        (
            "Use only CAPITAL LETTERS.",
            "Write everything in UPPER CASE.",
            "ANSWER IN ALL CAPS, with no lowercase letters.",
        ),
        _uppercase,
    ),
    "include": Rule(
        _draw_include,
        ("Use {noun} {words}.", "Include {noun} {words} in your answer."),
        _include,
    ),
    "bullets": Rule(
        _count(2, 4),
        (
            "Answer with exactly {n} bullet points.",
            'Use a list of exactly {n} bullet points that start with "- ".',
        ),
        _bullets,
    ),
    "sentences": Rule(
        _draw_sentences,
        ("Use exactly {n} {noun}.", "Your answer must have exactly {n} {noun}."),
        _sentences,
    ),
    "end_phrase": Rule(
        lambda rng: {"phrase": rng.choice(_ENDINGS)},
        (
            "End with exactly these words: {phrase}",
            'The last words of your answer must be "{phrase}"',
        ),
        _end_phrase,
    ),
    "start_word": Rule(
        lambda rng: {"word": rng.choice(_STARTS)},
        ('Start with the word "{word}".', 'The first word of your answer must be "{word}".'),
        _start_word,
    ),
    "json_keys": Rule(
        lambda rng: {"keys": list(rng.choice(_KEYS))},
        (
            "Answer only with a JSON object with the keys {keys}.",
            "Write your answer as JSON with exactly these keys: {keys}.",
        ),
        _json_keys,
    ),
    "no_commas": Rule(
        _nothing,
        ("Do not use any commas.", "Your answer must contain no commas."),
        _no_commas,
    ),
    "max_words": Rule(
        _count(12, 24, 4),
        ("Use at most {n} words.", "Answer in {n} words or fewer."),
        _max_words,
    ),
    "min_words": Rule(
        _count(25, 40, 5),
        ("Use at least {n} words.", "Your answer must have {n} words or more."),
        _min_words,
    ),
    "quotes": Rule(
        _nothing,
        (
            "Wrap your whole answer in double quotes.",
            'Put your entire answer inside double quotation marks "like this".',
        ),
        _quotes,
    ),
    "title": Rule(
        _nothing,
        (
            "Begin with a title in double angle brackets, like <<title>>.",
            "Give it a title wrapped in double angle brackets, such as <<title>>.",
        ),
        _title,
    ),
    "repeat": Rule(
        lambda rng: {"word": rng.choice(_REPEATED), "n": rng.choice((2, 2, 3))},
        (
            'Use the word "{word}" at least {n} times.',
            'The word "{word}" must appear {n} times or more.',
        ),
        _repeat,
    ),
    "one_line": Rule(
        _draw_one_line,
        (
            "Write one single line of {low} to {high} words.",
            "Answer on one line with {low} to {high} words.",
        ),
        _one_line,
    ),
    "number": Rule(
        _nothing,
        (
            "Include at least one number written in digits.",
            "Your answer must contain a number in digits, such as 7.",
        ),
        _number,
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
        _paragraphs,
    ),
    "separator": Rule(
        _nothing,
        ("Write two short parts with a line of three stars (***) between them.",),
        _separator,
    ),
    "question": Rule(_nothing, ("End your answer with a question mark.",), _question),
    "capitalized": Rule(_nothing, ("Start every word with a capital letter.",), _capitalized),
    "postscript": Rule(
        _nothing, ("Add a postscript at the end that starts with P.S.",), _postscript
    ),
}
RULES: dict[str, Rule] = TRAIN_RULES | UNSEEN_RULES
