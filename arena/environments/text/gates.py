"""The gates that every answer must pass.

They refuse text that satisfies a rule without answering: nothing, the prompt again, one word over
and over, keywords without grammar, somebody else's turn, or an appeal to the judges.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from arena.environments.text.markup import Reading
from arena.environments.text.saying import says_something
from arena.environments.text.words import FUNCTION_WORDS, words
from judges.transcript import Check

# Measured: docs/decisions/answer-gates.md
COPY_SHARE = 0.4  # of 4-grams shared with the prompt: honest answers share some, too
MIN_OWN_SHARE = 0.15  # of words that the prompt lacks
ECHO_SHARE = 0.7  # of words in the prompt's order, whatever stands between them
MAX_WORD_SHARE = 0.4  # one word may be this much of an answer
MIN_DISTINCT_SHARE = 0.35
MAX_OWN_LETTERS = 12  # more in a row, whatever the blanks, are cut out of the prompt
MIN_WORDS_TO_MEASURE = 8  # in shorter answers, shares mean nothing
MIN_FUNCTION_SHARE = 0.06
_NGRAM = 4

_TO_JUDGES = re.compile(
    r"<\|"  # control tokens of chat templates
    r"|\b(?:verdict\s*:"
    r"|(?:ignore|disregard|forget)\b.{0,40}\b(?:instruction|rule|prompt)s?\b"
    r"|(?:ignore|disregard|forget) (?:(?:all|everything|anything|what) )?(?:(?:the|was) )?"
    r"(?:above|before)\b"
    r"|i (?:win|deserve)\b"
    r"|(?:this|my) (?:answer|response) is (?:the best|correct|better)"
    r"|score ?: ?\d+ ?/ ?\d|this is the winner\b"
    r"|rate (?:me|(?:this|my) (?:answer|response))\b"
    r"|(?:choose|pick|prefer|rank|select) (?:this|my) (?:answer|response)\b"
    r"|give (?:me|this|my)\b.{0,40}\b(?:score|rating|marks)\b"
    r"|as (?:a|the) judge\b)"
)
# Where the answer ends and somebody else begins to speak: a role at the beginning of a line, or the
# control tokens of chat templates that _TO_JUDGES does not know.
_NEXT_TURN = re.compile(
    r"^[ \t]*(?:\#{1,4}[ \t]*)?(?:user|human|assistant|system)[ \t]*:"
    r"|^[ \t]*\#{2,4}[ \t]*(?:instruction|response|input)\b"
    r"|</?s>|\[/?INST\]|<(?:start|end)_of_turn>|<\uff5c",
    re.IGNORECASE | re.MULTILINE,
)
# Signs that are one letter to a reader, and 18 and 8 to Unicode.
_WORDS_IN_ONE_SIGN = {0xFDFA: " ", 0xFDFB: " "}


def copied_share(said: Sequence[str], asked: Sequence[str]) -> float:
    """Share of the 4-grams of the words in `said` that occur in `asked`, in [0, 1].

    For fewer than four words, it is 1 if `asked` has these words in a row, else 0.
    """
    size = min(_NGRAM, len(said))
    if size == 0:
        return 0.0
    known = set(_ngrams(asked, size))
    grams = _ngrams(said, size)
    return sum(gram in known for gram in grams) / len(grams)


def echoed_share(said: Sequence[str], asked: Sequence[str]) -> float:
    """Share of the words in `said` that also occur, in the same order, in `asked`; in [0, 1].

    The longest common subsequence, all places of `asked` at once as the bits of one number (Hyyrö
    2004, "Bit-parallel LCS-length computation revisited").
    """
    places: dict[str, int] = {}
    for place, word in enumerate(asked):
        places[word] = places.get(word, 0) | 1 << place
    row = whole = (1 << len(asked)) - 1
    for word in said:
        if found := row & places.get(word, 0):
            row = (row + found) | (row - found)
    return (len(asked) - (row & whole).bit_count()) / len(said) if said else 0.0


def is_disguised(said: Sequence[str]) -> bool:
    """Whether a word mixes Latin letters with look-alikes from another alphabet."""
    return any(
        {"LATIN"}
        < {unicodedata.name(letter, "").partition(" ")[0] for letter in set(word)} & _ALPHABETS
        for word in set(said)
        if not word.isascii()
    )


_ALPHABETS = {"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC"}


def _ngrams(tokens: Sequence[str], size: int) -> list[tuple[str, ...]]:
    return [tuple(tokens[i : i + size]) for i in range(len(tokens) - size + 1)]


def gates(
    answer: Reading,
    prompt: str,
    *,
    demanded: str = "",
    function_share: float = MIN_FUNCTION_SHARE,
    coins: bool = False,
) -> tuple[Check, ...]:
    """The checks that every task makes; the first is whether the answer says anything: without that, it
    is worth 0. A new word says something, too, where the task has the answer coin one (`coins`).

    Words that the task has `demanded` do not count as an echo. At least `function_share` of the
    words must be words like "the", "of" and "is"; it is 0 if the task asks for a list.
    """
    said = words(answer.text)
    answers = says_something(answer, coins=coins)
    return (
        Check("answers", answers, "has words" if answers else "says nothing"),
        _own_words(answer.text, prompt, demanded),
        _not_repetitive(said),
        _has_grammar(said, function_share),
        _speaks_to_the_reader(answer),
    )


def gated_factor(gated: Sequence[Check], factor: float) -> float:
    """1 if every gate holds, 0 for an answer that says nothing, else the family's `factor`."""
    if all(check.passed for check in gated):
        return 1.0
    return factor if gated[0].passed else 0.0


def _own_words(text: str, prompt: str, demanded: str) -> Check:
    said = words(unicodedata.normalize("NFKC", text.translate(_WORDS_IN_ONE_SIGN)))
    asked = words(unicodedata.normalize("NFKC", prompt))
    if is_disguised(said):
        return Check("own words", False, "mixes alphabets within a word")
    together = "".join(said)
    is_cut_out = len(together) > MAX_OWN_LETTERS and together in "".join(asked)
    share = 1.0 if is_cut_out else copied_share(said, asked)
    granted = set(words(demanded))
    free = [word for word in said if word not in granted]
    echo = echoed_share(free, asked) if len(free) >= MIN_WORDS_TO_MEASURE else 0.0
    if share < COPY_SHARE and echo >= ECHO_SHARE:
        return Check(
            "own words", False, f"repeats the task: {echo:.0%} of its words, in the same order"
        )
    if share < COPY_SHARE and len(said) >= MIN_WORDS_TO_MEASURE:
        known = set(asked)
        own = sum(word not in known for word in said) / len(said)
        if own < MIN_OWN_SHARE:
            return Check("own words", False, f"has {own:.0%} of words that the task lacks")
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
    share = sum(word in FUNCTION_WORDS for word in said) / len(said)
    passed = share >= least
    return Check("sentences", passed, "reads as language" if passed else "is a list of keywords")


def _speaks_to_the_reader(answer: Reading) -> Check:
    # Judges that are models also see what the markup hides. With single blanks and one case, the
    # search takes time linear in the text.
    if _NEXT_TURN.search(answer.raw):
        return Check("no speech to judges", False, "goes on after the end of its turn")
    shown = {_in_one_case(text) for text in (answer.raw, answer.text)}
    passed = not any(_TO_JUDGES.search(text) for text in shown)
    return Check(
        "no speech to judges", passed, "keeps to the task" if passed else "talks to the judges"
    )


def _in_one_case(text: str) -> str:
    folded = " ".join(text.split()).casefold()
    return folded.replace("i\u0307", "i").replace("\u0131", "i")  # of a Turkish capital and small i
