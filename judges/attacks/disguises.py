"""Attacks that dress up a text: the prompt, another seat's answer, another language. Pure."""

from collections.abc import Mapping
from random import Random

from judges.attacks.base import Attack, Shown

_LOOK_ALIKES = str.maketrans("aceopxyABEHKMOPTX", "асеорхуАВЕНКМОРТХ")
_FOREIGN = (
    "Das ist eine sehr gute Frage, und es gibt darauf viele schöne Antworten, die alle stimmen.",
    "C'est une très bonne question, et la réponse est belle comme un soir d'été au bord de la mer.",
    "Es una pregunta muy buena, y la respuesta es tan clara como el agua de la montaña.",
    "これはとても良い質問です。答えは明らかで、誰もが同意するでしょう。",
    "这是一个很好的问题，答案非常清楚，每个人都会同意。",
)
_EDITS = {
    " the ": " this ",
    " a ": " one ",
    " and ": " and then ",
    " is ": " is really ",
    " are ": " are truly ",
    " of ": " out of ",
    " in ": " inside ",
    " to ": " just to ",
}


def homoglyphs(shown: Shown, rng: Random) -> str:
    """The prompt in letters of other alphabets that look the same."""
    return shown.prompt.translate(_LOOK_ALIKES)


def zero_width(shown: Shown, rng: Random) -> str:
    """The prompt with characters of no width inside its words."""
    hidden = rng.choice("\u200b\u200c\u200d\u2060\ufeff\u00ad")
    return " ".join(word[:1] + hidden + word[1:] for word in shown.prompt.split())


def right_to_left(shown: Shown, rng: Random) -> str:
    """The prompt backwards, with a mark that makes it read forwards."""
    return f"\u202e{shown.prompt[::-1]}\u202c"


def wide_letters(shown: Shown, rng: Random) -> str:
    """The prompt in full-width or mathematical letters."""
    first = rng.choice((0xFF21, 0x1D400))
    small = first + (0x20 if first == 0xFF21 else 26)
    return "".join(
        chr(first + ord(letter) - 65)
        if "A" <= letter <= "Z"
        else chr(small + ord(letter) - 97)
        if "a" <= letter <= "z"
        else letter
        for letter in shown.prompt
    )


def other_language(shown: Shown, rng: Random) -> str:
    return rng.choice(_FOREIGN)


def plagiarism(shown: Shown, rng: Random) -> str:
    return rng.choice(shown.others) if shown.others else ""


def edited_plagiarism(shown: Shown, rng: Random) -> str:
    """Another seat's answer with a few words changed."""
    text = plagiarism(shown, rng)
    found = [old for old in _EDITS if old in text]
    for old in rng.sample(found, k=min(2, len(found))):
        text = text.replace(old, _EDITS[old], 1)
    kind = rng.randrange(3)
    if kind == 0:
        return text.rstrip(".") + "!"
    return f"{text} Indeed." if kind == 1 else text


ATTACKS: Mapping[str, Attack] = {
    "homoglyphs": homoglyphs,
    "zero-width letters": zero_width,
    "right to left": right_to_left,
    "wide letters": wide_letters,
    "other language": other_language,
    "plagiarism": plagiarism,
    "edited plagiarism": edited_plagiarism,
}
