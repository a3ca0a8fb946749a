"""How an answer is measured against each rule of the Constraints Space.

`closeness` is 1 exactly when the rule holds; below that it says how close the answer came, so
that two failures can still be ranked.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from arena.environments.text.markup import Reading
from arena.environments.text.sentences import count_sentences
from arena.environments.text.words import bare_words, words

Params = Mapping[str, Any]


@dataclass(frozen=True)
class Finding:
    """What a rule measured in an answer."""

    closeness: float  # [0, 1]; 1 exactly when the rule holds
    detail: str  # completes "This answer ..."

    @property
    def passed(self) -> bool:
        return self.closeness >= 1.0


def _near(got: int, wanted: int) -> float:
    """1 at the wanted count, 1/2 if off by one, 1/3 if off by two, ..."""
    return 1.0 / (1 + abs(got - wanted))


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


# --- letters and marks ---------------------------------------------------------------------


def lowercase(params: Params, answer: Reading) -> Finding:
    bad = sum(word != word.lower() for word in answer.text.split())
    return Finding(_near(bad, 0), f"has {_plural(bad, 'word')} with upper case letters")


def uppercase(params: Params, answer: Reading) -> Finding:
    tokens = answer.text.split()
    bad = sum(word != word.upper() for word in tokens)
    share = 1 - bad / len(tokens) if tokens else 0.0
    return Finding(share, f"has {_plural(bad, 'word')} with lower case letters")


def no_commas(params: Params, answer: Reading) -> Finding:
    commas = len(re.findall("[,\uff0c\u3001\u201a\u060c]", answer.text))
    return Finding(_near(commas, 0), f"has {_plural(commas, 'comma')}")


def quotes(params: Params, answer: Reading) -> Finding:
    # A stop may stand behind the quote that closes: '"Cats purr".'
    text = answer.text.rstrip(".")
    text = text if text.endswith(_CLOSING) else answer.text
    opens, closes = text.startswith(_OPENING), len(text) > 1 and text.endswith(_CLOSING)
    if opens and closes and _closes_early(text):
        return Finding(0.75, "has words outside its quotes")
    shown = {2: "is wrapped in quotes", 1: "has a quote at one end only", 0: "is not in quotes"}
    return Finding((opens + closes) / 2, shown[opens + closes])


def _closes_early(text: str) -> bool:
    """Whether the first quote is closed before the last one; quotes may stand inside it."""
    depth = 0
    for found in re.finditer('["\u201c\u201d]', text[:-1]):
        before = text[max(0, found.start() - 1) : found.start()]
        after = text[found.end()]
        begins = not before or before.isspace() or before in "([{\u2014\u2013-\u201c\"'"
        opens = found[0] == "\u201c" or (found[0] == '"' and begins and not after.isspace())
        depth += 1 if opens else -1
        if not 0 < depth <= _DEEPEST_QUOTE:
            return bool(words(text[found.end() :]))
    return False


_DEEPEST_QUOTE = 10  # each paragraph of a quotation may open one
_OPENING, _CLOSING = ('"', "\u201c"), ('"', "\u201d")


def number(params: Params, answer: Reading) -> Finding:
    if re.search(r"\d", answer.text):
        return Finding(1.0, "has a number in digits")
    spelled = any(word in _NUMBER_WORDS for word in words(answer.text))
    return Finding(0.5 if spelled else 0.0, "has no number in digits")


_NUMBER_WORDS = frozenset(words("two three four five six seven eight nine ten hundred thousand"))


def title(params: Params, answer: Reading) -> Finding:
    text = answer.text
    found = re.search(
        "(?:<<|[\u00ab\u300a])([^<>\u00ab\u00bb\u300a\u300b\n]{1,100})(?:>>|[\u00bb\u300b])", text
    )
    if found and words(found[1]) not in ([], ["title"], ["my", "title"]):
        if words(text[: found.start()]) not in ([], ["title"]):  # "Title: <<All About Cats>>"
            return Finding(0.8, "does not begin with its title in <<double angle brackets>>")
        return Finding(1.0, "has a title in <<double angle brackets>>")
    halves = ("<<" in text) + (">>" in text)
    return Finding(0.3 * halves, "has no title in <<double angle brackets>>")


# --- words ---------------------------------------------------------------------------------


def include(params: Params, answer: Reading) -> Finding:
    said = set(bare_words(answer.text))
    missing = [word for word in params["words"] if word not in said]
    total = len(params["words"])
    if not missing:
        return Finding(1.0, "uses every word that was asked for")
    used = total - len(missing)
    return Finding(used / total, f"uses {used} of {_plural(total, 'word')} that were asked for")


def repeat(params: Params, answer: Reading) -> Finding:
    got, wanted = bare_words(answer.text).count(params["word"]), params["n"]
    detail = f"says “{params['word']}” {_plural(got, 'time')} (at least {wanted} were asked for)"
    return Finding(min(1.0, got / wanted), detail)


def start_word(params: Params, answer: Reading) -> Finding:
    said = bare_words(answer.text)
    wanted = params["word"].casefold()
    if said[:1] == [wanted]:
        return Finding(1.0, f"starts with “{params['word']}”")
    near = 0.5 if wanted in said[:5] else 0.0
    return Finding(near, f"does not start with “{params['word']}”")


def end_phrase(params: Params, answer: Reading) -> Finding:
    phrase = params["phrase"]
    wanted, said = words(phrase), words(answer.text)
    if said[-len(wanted) :] == wanted:
        return Finding(1.0, f"ends with “{phrase}”")
    near = 0.5 if f" {' '.join(wanted)} " in f" {' '.join(said)} " else 0.0
    return Finding(near, f"does not end with “{phrase}”")


def max_words(params: Params, answer: Reading) -> Finding:
    got, limit = len(words(answer.text)), params["n"]
    detail = f"has {_plural(got, 'word')} (at most {limit} were asked for)"
    return Finding(1.0 if got <= limit else limit / (got + limit), detail)


def min_words(params: Params, answer: Reading) -> Finding:
    got, wanted = len(words(answer.text)), params["n"]
    return Finding(
        min(1.0, got / wanted), f"has {_plural(got, 'word')} (at least {wanted} were asked for)"
    )


# --- shapes --------------------------------------------------------------------------------


def bullets(params: Params, answer: Reading) -> Finding:
    got = sum(line.is_bullet and bool(words(line.text)) for line in answer.lines)
    wanted = params["n"]
    closeness = _near(got, wanted) if got else 0.0
    return Finding(closeness, f"uses {_plural(got, 'bullet point')} ({wanted} were asked for)")


def numbered(params: Params, answer: Reading) -> Finding:
    got = [line.number for line in answer.lines if line.number is not None and words(line.text)]
    wanted = params["n"]
    detail = f"has {_plural(len(got), 'numbered point')} ({wanted} were asked for)"
    if len(got) == wanted and got != list(range(1, wanted + 1)):
        return Finding(0.8, f"{detail}, and its numbers are out of order")
    return Finding(_near(len(got), wanted) if got else 0.0, detail)


def sentences(params: Params, answer: Reading) -> Finding:
    got, wanted = count_sentences(answer), params["n"]
    return Finding(_near(got, wanted), f"has {_plural(got, 'sentence')} ({wanted} were asked for)")


def one_line(params: Params, answer: Reading) -> Finding:
    lines = max(1, sum(bool(line.text) and not line.is_same_row for line in answer.lines))
    got = len(words(answer.text))
    outside = max(params["low"] - got, got - params["high"], 0)
    closeness = _near(outside, 0) / lines
    shown = f"has {_plural(got, 'word')} on {_plural(lines, 'line')}"
    return Finding(
        closeness, f"{shown} ({params['low']} to {params['high']} on one line were asked for)"
    )


def json_keys(params: Params, answer: Reading) -> Finding:
    wanted = params["keys"]
    body = answer.raw
    if body.startswith("`"):
        body = re.sub(r"\Ajson\b", "", body.strip("`"), flags=re.IGNORECASE)
    try:
        value = json.loads(body, object_pairs_hook=_once_each)
    except (ValueError, RecursionError):
        seen = sum(f'"{key}"' in answer.text for key in wanted) / len(wanted)
        return Finding(
            0.25 * answer.text.startswith("{") + 0.25 * seen, "is not valid JSON with each key once"
        )
    if not isinstance(value, dict):
        return Finding(0.2, "is JSON but not an object")
    matching = [key for key in wanted if _is_filled(value.get(key))]
    if len(matching) == len(wanted) == len(value):
        return Finding(1.0, "is a JSON object with the keys that were asked for")
    share = len(matching) / max(len(wanted), len(value))
    return Finding(
        0.5 + 0.4 * share, f"is JSON with {len(matching)} of {_plural(len(wanted), 'key')} right"
    )


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a key appears twice")
    return value


def _is_filled(value: object) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    return value is not None and value not in ([], {})


def paragraphs(params: Params, answer: Reading) -> Finding:
    got, is_inside = 0, False
    for line in answer.lines:
        has_words = bool(words(line.text)) and not line.is_heading
        got += has_words and not is_inside
        is_inside = has_words or (is_inside and bool(line.text or line.rule))
    wanted = params["n"]
    return Finding(_near(got, wanted), f"has {_plural(got, 'paragraph')} ({wanted} were asked for)")


def separator(params: Params, answer: Reading) -> Finding:
    stars = [place for place, line in enumerate(answer.lines) if line.rule == "***"]
    if len(stars) == 1:
        parts = (answer.lines[: stars[0]], answer.lines[stars[0] + 1 :])
        if all(any(words(line.text) for line in part) for part in parts):
            return Finding(1.0, "has two parts with *** between")
    return Finding(0.4 if stars else 0.0, "is not two parts with *** between")


def question(params: Params, answer: Reading) -> Finding:
    if answer.text.rstrip("\"')]} \n\u201d\u00bb").endswith(("?", "\uff1f")):
        return Finding(1.0, "ends with a question mark")
    return Finding(0.5 if "?" in answer.text else 0.0, "does not end with a question mark")


def capitalized(params: Params, answer: Reading) -> Finding:
    # "3rd" and "5pm" begin with a digit.
    initials = [
        found.group()[0] for found in re.finditer(r"(?<!\w)[^\W\d_][\w'\u2019-]*", answer.text)
    ]
    bad = sum(letter != letter.upper() for letter in initials)
    share = 1 - bad / len(initials) if initials else 0.0
    return Finding(share, f"has {_plural(bad, 'word')} that do not start with a capital letter")


def postscript(params: Params, answer: Reading) -> Finding:
    found = _POSTSCRIPT.search(answer.text)
    if found and words(answer.text[found.end() :]) and words(answer.text[: found.start()]):
        return Finding(1.0, "ends with a postscript")
    near = 0.5 if re.search(r"\bP\.? ?S\b", answer.text) else 0.0
    return Finding(near, "has no postscript")


# On a line of its own, or behind the end of a sentence.
_POSTSCRIPT = re.compile(r"(?:^|[.!?\"')\u201d] )[\"'(\[\u201c]?P\.\s?S\.", re.MULTILINE)
