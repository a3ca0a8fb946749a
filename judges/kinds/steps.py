"""PURE: an answer cut into the steps by which a process judge reads it."""

import re

MAX_STEPS = 24  # what follows belongs to the last one
_MARKED = re.compile(
    r"^[ \t]*(?:[*_#]*step\s+\d+|\(?\d{1,3}[.):]|[-*\u2022])(?=[\s*_:.])",
    re.IGNORECASE | re.MULTILINE,
)
_PARAGRAPH = re.compile(r"(?<=\n)[ \t]*\n+(?=[^\n])")
_LINE = re.compile(r"(?<=\n)")
_SENTENCE = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=\S)")

Span = tuple[int, int]


def step_spans(text: str) -> tuple[Span, ...]:
    """[begin, end) of each step in the text: in order, apart, with all its visible characters.

    A step is a line with a number, "Step n" or a bullet and what follows it; of a text without two
    of these a paragraph, without two paragraphs a line, without two lines a sentence.
    """
    for cuts in (
        [found.start() for found in _MARKED.finditer(text)],
        [found.end() for found in _PARAGRAPH.finditer(text)],
        [found.start() for found in _LINE.finditer(text)],
        [found.end() for found in _SENTENCE.finditer(text)],
    ):
        spans = _spans(text, cuts)
        if len(spans) > 1:
            break
    if len(spans) > MAX_STEPS:
        spans = [*spans[: MAX_STEPS - 1], (spans[MAX_STEPS - 1][0], spans[-1][1])]
    return tuple(spans)


def _spans(text: str, cuts: list[int]) -> list[Span]:
    ends = [*cuts, len(text)]
    spans: list[Span] = []
    for begin, end in zip([0, *cuts], ends, strict=True):
        piece = text[begin:end]
        inner = piece.strip()
        if not inner:
            continue
        start = begin + piece.index(inner)
        span = (start, start + len(inner))
        # Rules and lone marks are no step of their own.
        if spans and not re.search(r"\w", inner):
            span = (spans.pop()[0], span[1])
        spans.append(span)
    return spans
