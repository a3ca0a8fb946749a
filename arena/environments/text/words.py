"""Words: what an answer says, without its punctuation."""

import re
from collections.abc import Sequence

_LONG_STEM = 5
_ENDINGS = frozenset(["", "s", "es", "'s", "\u2019s", "ed", "ing", "er", "ers"])
# "U.S.", "3.5" and "1,000" are one word each.
_WORD = re.compile(
    r"(?:[^\W\d_]\.){2,}[^\W\d_]?(?![^\W_])"
    r"|[^\W_]+(?:(?:['\u2019-]|(?<=\d)[.,:](?=\d))[^\W_]+)*"
)


def words(text: str) -> list[str]:
    """Words in lower case, without punctuation."""
    return [match.group().casefold() for match in _WORD.finditer(text)]


FUNCTION_WORDS = frozenset(
    words(
        "a about after all also an and are as at be because been but by can could do for from had has "
        "have he her his how i if in into is it its just like may me more most my no not of off on one "
        "or our out over she so some such than that the their them then there these they this to too "
        "under up us very was we were what when where which who why will with would you your "
        "above across again against along among any around before behind below between both during "
        "each either even every few here many much near now once only other since some still though "
        "through until while within without yet"
    )
)


def bare_words(text: str) -> list[str]:
    """Words, with the parts of compounds apart: "summer" in "summer's" and in "mid-summer"."""
    return [part for word in words(text) for part in re.split("['\u2019-]", word)]


def mentions(text: str, stems: Sequence[str]) -> bool:
    """Whether a word of the text is one of the stems, or inflects one, in lower case.

    A stem of five letters or more counts at the beginning of any word; a shorter one only with
    a common ending, so that "bee" is not found in "been".
    """
    said = {*words(text), *bare_words(text)}
    return any(
        word.startswith(stem) and (len(stem) >= _LONG_STEM or word[len(stem) :] in _ENDINGS)
        for stem in stems
        for word in said
    )
