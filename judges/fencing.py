"""PURE: how untrusted text stands in the prompt of a judge's model."""

import re
from collections.abc import Sequence

MAX_FENCED_CHARACTERS = 4_000
# Characters that are not visible: format characters, tags, fillers that Unicode counts as letters.
INVISIBLE = re.compile(
    "[\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    "\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
# What shows nothing of its own: it could stand within a control token and hide it.
_IGNORABLE = re.compile("[\u034f\u17b4\u17b5\u180b-\u180f\ufe00-\ufe0f\U0001bca0-\U0001bca3]")
_CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ue000-\uf8ff]")
# Brackets and bars, also those that a tokenizer's normalisation turns into ASCII.
_OPEN, _CLOSE = "<\uff1c\ufe64\u2039\u3008", ">\uff1e\ufe65\u203a\u3009"
_BAR = "|\uff5c\uffe8\u2502"
_SQUARE_OPEN, _SQUARE_CLOSE = "[\\[\uff3b]", "[\\]\uff3d]"
# Whatever the judge's tokenizer is, its special tokens look like one of these: <|im_end|>,
# <start_of_turn>, </s>, <think>, <0x0A>, <seed:eos>, <<SYS>>, [INST], [/TOOL_CALLS], [|system|],
# ]~b], [e~[.
_CONTROL_TOKEN = re.compile(
    f"[{_OPEN}][{_BAR}][{_CLOSE}]?|[{_BAR}][{_CLOSE}]"
    f"|[{_OPEN}]+/?[\\w\u2581|:-]{{1,40}}/?[{_CLOSE}]+"
    f"|{_SQUARE_OPEN}/?[A-Z][A-Z_]{{2,30}}{_SQUARE_CLOSE}"
    f"|{_SQUARE_OPEN}[{_BAR}]|[{_BAR}]{_SQUARE_CLOSE}"
    r"|[\[\]]\w?~!?\w?[\[\]]",
    re.IGNORECASE,
)
_PART = re.compile(r"\w+|\W")


def fenced(text: str, *, nonce: str, max_characters: int = MAX_FENCED_CHARACTERS) -> str:
    """The text between two markers that its author could not have known.

    Control tokens of chat templates are broken up, invisible characters and the nonce removed.
    """
    inner = _visible(text[:max_characters])
    # Repeated, because removing one nonce can put together another.
    while nonce in inner:
        inner = inner.replace(nonce, "")
    return f"[begin {nonce}]\n{_without_tokens(inner)}\n[end {nonce}]"


def disarmed(text: str, *, max_characters: int = MAX_FENCED_CHARACTERS) -> str:
    """The same without markers, for a model that reads the text alone."""
    return _without_tokens(_visible(text[:max_characters]))


def _visible(text: str) -> str:
    return _CONTROL_CHARACTER.sub("", _IGNORABLE.sub("", INVISIBLE.sub("", text)))


def _without_tokens(text: str) -> str:
    return _CONTROL_TOKEN.sub(lambda token: " ".join(_PART.findall(token.group())), text)


def one_line(text: str, max_characters: int) -> str:
    """A model's words as they are stored and shown: visible characters, on one line, not too many."""
    words = _CONTROL_CHARACTER.sub(" ", INVISIBLE.sub("", text)).split()
    line = " ".join(words)
    return line if len(line) <= max_characters else f"{line[: max_characters - 3].rstrip()}..."


def says_something(text: str) -> bool:
    """Whether it has a letter or a digit that one can see."""
    return re.search(r"\w", INVISIBLE.sub("", text)) is not None


def cut_note(texts: Sequence[str], *, max_characters: int) -> str:
    """What the model is told if one of the texts is longer than it is shown; else nothing."""
    if all(len(text) <= max_characters for text in texts):
        return ""
    return (
        f"Of every answer only the first {max_characters} characters are shown. That an end is "
        "missing is no fault.\n"
    )
