"""What an answer states at the end of what a model says. Pure."""

import re

MAX_TEXT_CHARACTERS = 4_000  # the end of an answer is read, which states it
MAX_STATED_CHARACTERS = 1_000

_TAGGED = re.compile(r"<answer>(.*?)</answer>", re.DOTALL | re.IGNORECASE)
_MARKED = re.compile(r"\banswer(?:\s+is)?\s*[:=]|\banswer\s+is\b|####", re.IGNORECASE)
_BOXED = re.compile(r"\\boxed\{([^{}]*)\}")
_NUMBER = re.compile(r"[-+\u2212]?\d(?:[\d,]*\d)?(?:\.\d+)?")
_MARKS = "*_`\"'$ \t"


def stated(text: str, right: str) -> str:
    """What the text gives as its answer, in the shape of the right one.

    Between <answer> tags, as reasoning-gym has it, nothing is changed. Otherwise it stands behind
    "Answer:", "#### " or in a \\boxed{}, or is the last line; where the right answer has several lines,
    all of the text. If a number is wanted, the last one of that line; letters may be of either case.
    """
    text = text[-MAX_TEXT_CHARACTERS:]
    if tagged := _TAGGED.findall(text):
        return str(tagged[-1]).strip()[:MAX_STATED_CHARACTERS]
    if "\n" in right.strip():
        return _behind_mark(text).strip("\n")[:MAX_STATED_CHARACTERS]
    boxed = _BOXED.findall(text)
    rest = boxed[-1] if boxed else _behind_mark(text)
    rows = [row for row in rest.splitlines() if row.strip(_MARKS)]
    line = rows[-1].strip(_MARKS) if rows else ""
    if not right.endswith("."):
        line = line.rstrip(".").rstrip(_MARKS)
    if line.casefold() == right.casefold():
        return right
    if _NUMBER.fullmatch(right) and (numbers := _NUMBER.findall(line)):
        line = numbers[-1].replace("\u2212", "-")
    return line[:MAX_STATED_CHARACTERS]


def _behind_mark(text: str) -> str:
    """What stands behind the last mark of an answer, or all of the text."""
    rest = text
    for found in _MARKED.finditer(text):
        if text[found.end() :].strip(_MARKS + "\n"):
            rest = text[found.end() :]
    return rest
