"""How an answer is measured against each rule of the Constraints Space.

`closeness` is 1 exactly when the rule holds; below that it says how close the answer came, so
that two failures can still be ranked.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from arena.environments.text.words import words

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


def lowercase(params: Params, text: str) -> Finding:
    bad = sum(word != word.lower() for word in text.split())
    return Finding(_near(bad, 0), f"has {_plural(bad, 'word')} with upper case letters")


def uppercase(params: Params, text: str) -> Finding:
    tokens = text.split()
    bad = sum(word != word.upper() for word in tokens)
    share = 1 - bad / len(tokens) if tokens else 0.0
    return Finding(share, f"has {_plural(bad, 'word')} with lower case letters")


def no_commas(params: Params, text: str) -> Finding:
    commas = len(re.findall("[,\uff0c\u3001\u201a\u060c]", text))
    return Finding(_near(commas, 0), f"has {_plural(commas, 'comma')}")


def quotes(params: Params, text: str) -> Finding:
    opens = text[:1] in _OPENING
    closes = len(text) > 1 and text[-1] in _CLOSING
    if opens and closes and not _OPENING.isdisjoint(text[1:-1]):
        return Finding(0.75, "has more quotes inside")
    shown = {2: "is wrapped in quotes", 1: "has a quote at one end only", 0: "is not in quotes"}
    return Finding((opens + closes) / 2, shown[opens + closes])


_OPENING, _CLOSING = frozenset('"\u201c'), frozenset('"\u201d')


def number(params: Params, text: str) -> Finding:
    if re.search(r"\d", text):
        return Finding(1.0, "has a number in digits")
    spelled = any(word in _NUMBER_WORDS for word in words(text))
    return Finding(0.5 if spelled else 0.0, "has no number in digits")


_NUMBER_WORDS = frozenset(words("two three four five six seven eight nine ten hundred thousand"))


def title(params: Params, text: str) -> Finding:
    found = re.search(r"<<([^<>\n]{1,100})>>", text)
    if found and words(found.group(1)) not in ([], ["title"], ["my", "title"]):
        if words(text[: found.start()]):
            return Finding(0.8, "does not begin with its title in <<double angle brackets>>")
        return Finding(1.0, "has a title in <<double angle brackets>>")
    halves = ("<<" in text) + (">>" in text)
    return Finding(0.3 * halves, "has no title in <<double angle brackets>>")


# --- words ---------------------------------------------------------------------------------


def include(params: Params, text: str) -> Finding:
    said = set(words(text))
    missing = [word for word in params["words"] if word not in said]
    total = len(params["words"])
    if not missing:
        return Finding(1.0, "uses every word that was asked for")
    used = total - len(missing)
    return Finding(used / total, f"uses {used} of {_plural(total, 'word')} that were asked for")


def repeat(params: Params, text: str) -> Finding:
    got, wanted = words(text).count(params["word"]), params["n"]
    detail = f"says “{params['word']}” {_plural(got, 'time')} (at least {wanted} were asked for)"
    return Finding(min(1.0, got / wanted), detail)


def start_word(params: Params, text: str) -> Finding:
    said = words(text)
    wanted = params["word"].casefold()
    if text[:1].isalpha() and said[:1] == [wanted]:
        return Finding(1.0, f"starts with “{params['word']}”")
    near = 0.5 if wanted in said[:5] else 0.0
    return Finding(near, f"does not start with “{params['word']}”")


def end_phrase(params: Params, text: str) -> Finding:
    phrase = params["phrase"]
    wanted = _without_end_marks(phrase)
    if re.search(rf"(?<!\w){re.escape(wanted)}$", _without_end_marks(text)):
        return Finding(1.0, f"ends with “{phrase}”")
    near = 0.5 if wanted in text.casefold() else 0.0
    return Finding(near, f"does not end with “{phrase}”")


def _without_end_marks(text: str) -> str:
    """The text without quotes and stops at its end: 'the end' from 'The end."'."""
    return text.casefold().rstrip(" \t\n.!?\"'*)\u201d\u2019")


def max_words(params: Params, text: str) -> Finding:
    got, limit = len(words(text)), params["n"]
    detail = f"has {_plural(got, 'word')} (at most {limit} were asked for)"
    return Finding(1.0 if got <= limit else limit / (got + limit), detail)


def min_words(params: Params, text: str) -> Finding:
    got, wanted = len(words(text)), params["n"]
    return Finding(
        min(1.0, got / wanted), f"has {_plural(got, 'word')} (at least {wanted} were asked for)"
    )


# --- shapes --------------------------------------------------------------------------------


def bullets(params: Params, text: str) -> Finding:
    got = len(re.findall(r"^[ \t]*[-*•][ \t]+.*\w", text, re.MULTILINE))
    wanted = params["n"]
    closeness = _near(got, wanted) if got else 0.0
    return Finding(closeness, f"uses {_plural(got, 'bullet point')} ({wanted} were asked for)")


def numbered(params: Params, text: str) -> Finding:
    got = [
        int(digits) for digits in re.findall(r"^[ \t]*(\d{1,3})[.)][ \t]+.*\w", text, re.MULTILINE)
    ]
    wanted = params["n"]
    detail = f"has {_plural(len(got), 'numbered point')} ({wanted} were asked for)"
    if len(got) == wanted and got != list(range(1, wanted + 1)):
        return Finding(0.8, f"{detail}, and its numbers are out of order")
    return Finding(_near(len(got), wanted) if got else 0.0, detail)


def sentence_count(text: str) -> int:
    """Parts with a word in them, separated by ., ! or ? before a blank or the end, or by a line
    break before a capital letter. The stops in "U.S.", "Dr." and "1." do not separate."""
    whole = _NO_STOP.sub(lambda found: found.group().replace(".", ""), text)
    parts = re.split(r"[.!?]+[\"')\]\u201d\u2019]*(?:\s+|$)|\n+(?=\W*[A-Z])", whole)
    return sum(bool(words(part)) for part in parts)


_NO_STOP = re.compile(
    r"\b(?:[A-Za-z]\.){2,}(?=\s+[a-z])|\b(?:Dr|Mr|Mrs|Ms|St|vs|Jr|Sr)\.|^[ \t]*\d{1,3}\.(?=[ \t])",
    re.MULTILINE,
)


def sentences(params: Params, text: str) -> Finding:
    got, wanted = sentence_count(text), params["n"]
    return Finding(_near(got, wanted), f"has {_plural(got, 'sentence')} ({wanted} were asked for)")


def one_line(params: Params, text: str) -> Finding:
    lines, got = max(1, len(text.splitlines())), len(words(text))
    outside = max(params["low"] - got, got - params["high"], 0)
    closeness = _near(outside, 0) / lines
    shown = f"has {_plural(got, 'word')} on {_plural(lines, 'line')}"
    return Finding(
        closeness, f"{shown} ({params['low']} to {params['high']} on one line were asked for)"
    )


def json_keys(params: Params, text: str) -> Finding:
    wanted = params["keys"]
    body = re.sub(r"^```(?:json)?\s*|\s*```$", "", text)
    try:
        value = json.loads(body, object_pairs_hook=_once_each)
    except (ValueError, RecursionError):
        seen = sum(f'"{key}"' in text for key in wanted) / len(wanted)
        return Finding(
            0.25 * text.startswith("{") + 0.25 * seen, "is not valid JSON with each key once"
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


def paragraphs(params: Params, text: str) -> Finding:
    got = sum(bool(words(part)) for part in re.split(r"\n[ \t]*\n", text))
    wanted = params["n"]
    return Finding(_near(got, wanted), f"has {_plural(got, 'paragraph')} ({wanted} were asked for)")


def separator(params: Params, text: str) -> Finding:
    parts = re.split(r"^[ \t]*\*{3}[ \t]*$", text, flags=re.MULTILINE)
    if len(parts) == 2 and all(words(part) for part in parts):
        return Finding(1.0, "has two parts with *** between")
    return Finding(0.4 if len(parts) > 1 else 0.0, "is not two parts with *** between")


def question(params: Params, text: str) -> Finding:
    if text.endswith("?"):
        return Finding(1.0, "ends with a question mark")
    return Finding(0.5 if "?" in text else 0.0, "does not end with a question mark")


def capitalized(params: Params, text: str) -> Finding:
    # "3rd" and "5pm" begin with a digit.
    initials = [found.group()[0] for found in re.finditer(r"(?<!\w)[^\W\d_][\w'\u2019-]*", text)]
    bad = sum(letter != letter.upper() for letter in initials)
    share = 1 - bad / len(initials) if initials else 0.0
    return Finding(share, f"has {_plural(bad, 'word')} that do not start with a capital letter")


def postscript(params: Params, text: str) -> Finding:
    found = re.search(r"^[ \t]*P\.\s?S\.(.*)", text, re.MULTILINE | re.DOTALL)
    if found and words(found.group(1)) and words(text[: found.start()]):
        return Finding(1.0, "ends with a postscript")
    return Finding(0.5 if re.search(r"\bP\.? ?S\b", text) else 0.0, "has no postscript")
