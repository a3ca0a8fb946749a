"""Answers that look right and are wrong: small changes to a good answer, which code then verifies. PURE."""

import re
from collections.abc import Callable, Sequence
from random import Random

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_EXTRA = (
    "Many people like them.",
    "That is all there is to say.",
    "They are known all over the world, and for good reasons.",
    "I hope that this helps!",
)
_OPENINGS = ("Sure! Here is my answer: ", "Here you go.\n", "Of course, ")
_EDITS = 2  # at most, in one answer

Edit = Callable[[str, Random], str]


def corrupted(text: str, rng: Random) -> str:
    """The text after one or two small changes; it may still be right."""
    for edit in rng.sample(EDITS, k=rng.randint(1, _EDITS)):
        text = edit(text, rng)
    return text


def _without_a_sentence(text: str, rng: Random) -> str:
    parts = _SENTENCE_END.split(text)
    if len(parts) > 1:
        del parts[rng.randrange(len(parts))]
    return " ".join(parts)


def _with_a_sentence(text: str, rng: Random) -> str:
    return f"{text} {rng.choice(_EXTRA)}"


def _with_an_opening(text: str, rng: Random) -> str:
    return rng.choice(_OPENINGS) + text


def _without_words(text: str, rng: Random) -> str:
    words = text.split(" ")
    kept = max(1, len(words) - rng.randint(1, 3))
    return " ".join(words[:kept])


def _without_lines(text: str, rng: Random) -> str:
    lines = text.splitlines()
    if len(lines) > 1:
        del lines[rng.randrange(len(lines))]
    return "\n".join(lines)


def _with_a_line_again(text: str, rng: Random) -> str:
    return f"{text}\n{rng.choice(text.splitlines() or [''])}"


def _in_one_line(text: str, rng: Random) -> str:
    return " ".join(part.strip("-*•0123456789. ") for part in text.splitlines())


def _in_another_case(text: str, rng: Random) -> str:
    return rng.choice((text.upper(), text.lower(), text.capitalize(), text.title()))


def _with_commas(text: str, rng: Random) -> str:
    return re.sub(r" (and|or|but|that|in|of) ", r", \1 ", text) if "," not in text else text


def _without_marks(text: str, rng: Random) -> str:
    mark = rng.choice(',.!?"-*#:')
    return text.replace(mark, "")


def _with_another_number(text: str, rng: Random) -> str:
    def other(found: re.Match[str]) -> str:
        return str(max(0, int(found[0][:12]) + rng.choice((-10, -2, -1, 1, 2, 10))))

    return re.sub(r"\d+", other, text)


EDITS: Sequence[Edit] = (
    _without_a_sentence,
    _with_a_sentence,
    _with_an_opening,
    _without_words,
    _without_lines,
    _with_a_line_again,
    _in_one_line,
    _in_another_case,
    _with_commas,
    _without_marks,
    _with_another_number,
)
