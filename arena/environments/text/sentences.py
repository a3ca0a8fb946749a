"""Counting sentences as a reader does: not every stop ends one, and not every one ends with a stop."""

import re
from collections.abc import Iterator, Sequence

from arena.environments.text.markup import Line, Reading
from arena.environments.text.words import FUNCTION_WORDS, words

# Stops, what closes behind them, and then pictures and references like "[1]".
_END = re.compile(
    r"([.!?\u2026\u3002\uff01\uff1f]+)([\"')\]}\u201d\u00bb]*)"
    r"(?:[\u2600-\u27bf\ufe0f\U0001f000-\U0001faff]|\[\d{1,3}\])*"
)
_IDEOGRAPHIC = "\u3002\uff01\uff1f"  # no blank follows these
# Before which a stop does not end a sentence: a name, a number, or what goes on inside it.
_TITLES = frozenset(
    words(
        "approx capt cf col dr gen gov hon lt messrs mr mrs ms mt pres prof rep rev sen sgt viz vs"
    )
) | {"e.g", "i.e", "p.s"}
_NUMBERED = frozenset(
    words("ca ch fig figs no nos p pp sec vol jan feb mar apr jun jul aug sep sept oct nov dec")
)
_INSIDE = frozenset(words("al co corp dept est inc jr ltd sr st"))
_LAST = frozenset(["a.m", "etc", "p.m"])  # often the last word of a sentence
_DOTTED = re.compile(r"(?:[^\W\d_]{1,3}\.)+[^\W\d_]{1,3}")  # "U.S", "Ph.D"
_LOOK_BACK, _LOOK_AHEAD = 20, 40  # characters
_UNFINISHED = (",", ";", "\u2013", "\u2014", "-", "(")


def split_sentences(answer: Reading) -> list[str]:
    """Parts with words that a stop ends, or a blank line, a list item or a line that begins anew.

    A heading is none. Each part keeps its stops.
    """
    return [part for passage in _passages(answer.lines) for part in _split(passage)]


def count_sentences(answer: Reading) -> int:
    """How many sentences `split_sentences` finds."""
    return len(split_sentences(answer))


def _passages(lines: Sequence[Line]) -> Iterator[str]:
    """Runs of lines; no sentence goes on from one to the next."""
    passage: list[str] = []
    for line in lines:
        begins = line.is_item or line.is_heading or not line.text
        if begins or (passage and not _goes_on(passage[-1], line.text)):
            yield " ".join(passage)
            passage = []
        if not line.is_heading:
            passage.append(line.text)
    yield " ".join(passage)


def _goes_on(before: str, text: str) -> bool:
    """Whether a line may belong to the passage of the line before it."""
    letter = next((each for each in text if each.isalnum()), "")
    if not letter.isupper() or before.rstrip("\"')]\u201d").endswith((".", "!", "?", "\u2026")):
        return True
    end = words(before[-_LOOK_BACK:])
    return before.endswith(_UNFINISHED) or (bool(end) and end[-1] in FUNCTION_WORDS)


def _split(passage: str) -> Iterator[str]:
    start = 0
    for found in _END.finditer(passage):
        if _ends(found):
            if words(passage[start : found.start()]):
                yield passage[start : found.end()].strip()
            start = found.end()
    if words(passage[start:]):
        yield passage[start:].strip()


def _ends(found: re.Match[str]) -> bool:
    """Whether these stops end a sentence, by the word before them and the word behind them."""
    stops, closing = found[1], found[2]
    before = found.string[max(0, found.start() - _LOOK_BACK) : found.start()]
    behind = found.string[found.end() : found.end() + _LOOK_AHEAD]
    is_pause = "\u2026" in stops or ".." in stops
    if behind and not behind[0].isspace():
        if stops[-1] in _IDEOGRAPHIC:
            return True
        is_word = before[-2:].islower() and before[-2:].isalpha()  # no initial, no number
        return behind[0].isupper() and (stops != "." or bool(closing) or is_word)
    word = re.search(r"[^\W_]+", behind)
    following = word[0] if word else ""
    if following[:1].islower() and (closing or is_pause):
        return False
    if stops != "." or closing or not following:
        return True
    tokens = before.split()
    return not tokens or _is_last(tokens[-1].lstrip("\"'([\u201c"), following)


def _is_last(word: str, following: str) -> bool:
    """Whether a word with a stop ends its sentence, as "U.S." does before "They", not "Army"."""
    key = word.casefold()
    if key in _TITLES:
        return False
    if key in _NUMBERED:
        return not following[0].isdigit()
    begins = following[0].isupper()
    if key in _LAST:
        return begins
    is_initial = len(word) == 1 and word.isupper() and word != "I"
    if key in _INSIDE or is_initial or _DOTTED.fullmatch(word):
        return begins and following.casefold() in FUNCTION_WORDS
    return True
