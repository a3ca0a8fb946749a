"""Reading an answer: words, overlap with the prompt, and the gates that every answer must pass.

Gates refuse text that satisfies a rule without answering: nothing, the prompt again, one word over
and over, keywords without grammar, or an appeal to the judges.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from judges.parsing import INVISIBLE
from judges.transcript import Check

# Answers in matches have at most a few hundred tokens; the rest is ignored.
MAX_TEXT_CHARACTERS = 4_000

# Measured: docs/decisions/answer-gates.md
COPY_SHARE = 0.4  # of 4-grams shared with the prompt: honest answers share some, too
ECHO_SHARE = 0.7  # of words in the prompt's order, whatever stands between them
MAX_WORD_SHARE = 0.4  # one word may be this much of an answer
MIN_DISTINCT_SHARE = 0.35
MIN_WORDS_TO_MEASURE = 8  # in shorter answers, shares mean nothing
MIN_FUNCTION_SHARE = 0.06
_NGRAM = 4
_LONG_STEM = 5
_ENDINGS = frozenset(["", "s", "es", "'s", "\u2019s", "ed", "ing", "er", "ers"])

_WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
_TO_JUDGES = re.compile(
    r"<\|"  # control tokens of chat templates
    r"|\bverdict\s*:"
    r"|\b(?:ignore|disregard|forget)\b.{0,40}\b(?:instruction|rule|prompt)s?\b"
    r"|\b(?:ignore|disregard|forget)\s+(?:all|everything|anything|what)?\s*(?:the\s+|was\s+)?"
    r"(?:above|before)\b"
    r"|\bi (?:win|deserve)\b"
    r"|\b(?:this|my) (?:answer|response) is (?:the best|correct|better)"
    r"|\bas (?:a|the) judge\b",
    re.IGNORECASE | re.DOTALL,
)


def readable(text: str) -> str:
    """The part of an answer that is scored: what a reader sees, stripped."""
    return INVISIBLE.sub("", text[:MAX_TEXT_CHARACTERS]).strip()


def words(text: str) -> list[str]:
    """Words in lower case, without punctuation."""
    return [match.group().casefold() for match in _WORD.finditer(text)]


_FUNCTION_WORDS = frozenset(
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


def copied_share(text: str, prompt: str) -> float:
    """Share of the text's 4-grams of words that occur in the prompt, in [0, 1].

    For a text of fewer than four words, it is 1 if the prompt has these words in a row, else 0.
    """
    said, asked = words(text), words(prompt)
    size = min(_NGRAM, len(said))
    if size == 0:
        return 0.0
    known = set(_ngrams(asked, size))
    grams = _ngrams(said, size)
    return sum(gram in known for gram in grams) / len(grams)


def echoed_share(said: Sequence[str], asked: Sequence[str]) -> float:
    """Share of the words in `said` that also occur, in the same order, in `asked`; in [0, 1]."""
    longest = [0] * (len(asked) + 1)  # longest common subsequence with each prefix of the prompt
    for word in said:
        before, longest = longest, [0]
        for place, other in enumerate(asked, start=1):
            grown = before[place - 1] + 1
            longest.append(grown if word == other else max(before[place], longest[-1]))
    return longest[-1] / len(said) if said else 0.0


def is_disguised(text: str) -> bool:
    """Whether a word mixes Latin letters with look-alikes from another alphabet."""
    return not text.isascii() and any(
        {"LATIN"} < {unicodedata.name(letter, "").partition(" ")[0] for letter in word} & _ALPHABETS
        for word in words(text)
        if not word.isascii()
    )


_ALPHABETS = {"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC"}


def _ngrams(tokens: Sequence[str], size: int) -> list[tuple[str, ...]]:
    return [tuple(tokens[i : i + size]) for i in range(len(tokens) - size + 1)]


def gates(
    text: str, prompt: str, *, demanded: str = "", function_share: float = MIN_FUNCTION_SHARE
) -> tuple[Check, ...]:
    """The checks that every task makes; `text` is already `readable`.

    Words that the task has `demanded` do not count as an echo. At least `function_share` of the
    words must be words like "the", "of" and "is"; it is 0 if the task asks for a list.
    """
    said = words(text)
    return (
        Check("answers", bool(said), "has words" if said else "says nothing"),
        _own_words(text, prompt, demanded),
        _not_repetitive(said),
        _has_grammar(said, function_share),
        _speaks_to_the_reader(text),
    )


def _own_words(text: str, prompt: str, demanded: str) -> Check:
    plain, asked = unicodedata.normalize("NFKC", text), unicodedata.normalize("NFKC", prompt)
    if is_disguised(plain):
        return Check("own words", False, "mixes alphabets within a word")
    share = copied_share(plain, asked)
    free = [word for word in words(plain) if word not in set(words(demanded))]
    echo = echoed_share(free, words(asked)) if len(free) >= MIN_WORDS_TO_MEASURE else 0.0
    if share < COPY_SHARE and echo >= ECHO_SHARE:
        return Check(
            "own words", False, f"repeats the task: {echo:.0%} of its words, in the same order"
        )
    return Check(
        "own words", share < COPY_SHARE, f"shares {share:.0%} of its wording with the task"
    )


def _not_repetitive(said: Sequence[str]) -> Check:
    if len(said) < MIN_WORDS_TO_MEASURE:
        return Check("no repetition", True, "is too short to repeat itself")
    word, count = Counter(said).most_common(1)[0]
    distinct = len(set(said)) / len(said)
    passed = count / len(said) <= MAX_WORD_SHARE and distinct >= MIN_DISTINCT_SHARE
    shown = word[:30]
    detail = f"{distinct:.0%} of its words are different"
    return Check("no repetition", passed, detail if passed else f"{detail}; repeats “{shown}”")


def _has_grammar(said: Sequence[str], least: float) -> Check:
    if len(said) < MIN_WORDS_TO_MEASURE:
        return Check("sentences", True, "is too short to be a list of keywords")
    share = sum(word in _FUNCTION_WORDS for word in said) / len(said)
    passed = share >= least
    return Check("sentences", passed, "reads as language" if passed else "is a list of keywords")


def _speaks_to_the_reader(text: str) -> Check:
    passed = _TO_JUDGES.search(text) is None
    return Check(
        "no speech to judges", passed, "keeps to the task" if passed else "talks to the judges"
    )


def mentions(text: str, stems: Sequence[str]) -> bool:
    """Whether a word of the text is one of the stems, or inflects one, in lower case.

    A stem of five letters or more counts at the beginning of any word; a shorter one only with
    a common ending, so that "bee" is not found in "been".
    """
    said = set(words(text))
    return any(
        word.startswith(stem) and (len(stem) >= _LONG_STEM or word[len(stem) :] in _ENDINGS)
        for stem in stems
        for word in said
    )
