"""What a story may have to contain: drawn with a word, asked for in a sentence, checked in code."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from arena.environments.text.markup import Reading
from arena.environments.text.words import mentions, words

_QUOTED = re.compile(r'["\u201c\u00ab]([^"\u201c\u201d\u00ab\u00bb]+)["\u201d\u00bb]')
_STOPS = (".", ",", "!", "?", "\u2026", "-", "\u2014")


@dataclass(frozen=True)
class Element:
    """One demand; `{word}` in its texts is the word drawn for the task."""

    choices: tuple[str, ...]  # ("",) if there is nothing to draw
    wording: str
    holds: Callable[[str, Reading], bool]
    found: str
    missing: str
    sentence: str  # what the coded writer puts into its story; "{hero}" is who it is about


def _mentions(word: str, answer: Reading) -> bool:
    return mentions(answer.text, (word.split()[-1].casefold(),))


def _speaks(word: str, answer: Reading) -> bool:
    """Whether words are quoted: two in a row, or one with a stop, as in "Yes," but no "coin"."""
    return any(
        len(words(said)) > 1 or (words(said) and said.endswith(_STOPS))
        for said in _QUOTED.findall(answer.text)
    )


def _asks(word: str, answer: Reading) -> bool:
    return "?" in answer.text or "\uff1f" in answer.text


def _begins(word: str, answer: Reading) -> bool:
    asked = words(word)
    return words(answer.text)[: len(asked)] == asked


def _ends(word: str, answer: Reading) -> bool:
    return words(answer.text)[-1:] == [word]


TRAIN_ELEMENTS: dict[str, Element] = {
    "object": Element(
        choices=(
            "a silver coin", "an old map", "a red scarf", "a wooden box", "a cracked cup",
            "a small bell", "a blue button", "a paper crown", "a torn ticket", "a green bottle",
        ),
        wording="Put {word} into it.",
        holds=_mentions,
        found="has {word}",
        missing="lacks {word}",
        sentence="In the grass, {hero} found {word} and kept it.",
    ),
    "hero": Element(
        choices=("Mira", "Tom", "Ada", "Leo", "Nadia", "Oscar", "Ruth", "Hugo", "Ivy", "Sam"),
        wording="Its hero is called {word}.",
        holds=_mentions,
        found="is about {word}",
        missing="has nobody called {word}",
        sentence="Nobody was happier than {word} that day.",
    ),
    "place": Element(
        choices=(
            "a harbor", "an attic", "a market", "a kitchen", "a valley", "a cellar", "a village",
            "a tower", "a barn", "a station",
        ),
        wording="It takes place in {word}.",
        holds=_mentions,
        found="takes place in {word}",
        missing="does not take place in {word}",
        sentence="All of it happened in {word} far away.",
    ),
    "speech": Element(
        choices=("",),
        wording="Somebody in it says something in quotation marks.",
        holds=_speaks,
        found="has somebody speak",
        missing="has nobody speak in quotation marks",
        sentence='"I did not know that," said {hero} with a smile.',
    ),
}  # fmt: skip
UNSEEN_ELEMENTS: dict[str, Element] = {
    "opening": Element(
        choices=("Long ago", "One morning", "Last winter", "After supper", "At midnight"),
        wording='Begin it with the words "{word}".',
        holds=_begins,
        found="begins with “{word}”",
        missing="does not begin with “{word}”",
        sentence="",
    ),
    "ending": Element(
        choices=("home", "again", "rain", "smile", "friends", "dawn"),
        wording='Its last word is "{word}".',
        holds=_ends,
        found="ends with “{word}”",
        missing="does not end with “{word}”",
        sentence="",
    ),
    "question": Element(
        choices=("",),
        wording="One of its sentences is a question.",
        holds=_asks,
        found="has a question",
        missing="has no question",
        sentence="Who would have thought so?",
    ),
}
ELEMENTS: dict[str, Element] = TRAIN_ELEMENTS | UNSEEN_ELEMENTS
