"""What servers of embeddings and of reward models reply, in the forms that vLLM and others have."""

from collections.abc import Mapping, Sequence
from math import fsum, isfinite, sqrt

from judges.tools import ToolFailed

MAX_NUMBERS = 100_000  # of one text

Vector = list[float]


def vectors_of(reply: Mapping[str, object], *, count: int) -> list[Vector]:
    """The embeddings in the order of the texts, each of the same length. Raises ToolFailed."""
    rows = _rows(reply, count=count)
    vectors = [_numbers(row.get("embedding")) for row in rows]
    if len({len(vector) for vector in vectors}) != 1:
        raise ToolFailed("the embeddings have different lengths")
    return vectors


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """In [-1, 1]; 0 if either is all zeros."""
    size = sqrt(fsum(x * x for x in one)) * sqrt(fsum(x * x for x in other))
    # Divided first: a product of large numbers could overflow.
    found = fsum(x / size * y for x, y in zip(one, other, strict=True)) if size else 0.0
    return max(-1.0, min(1.0, found))


def rewards_of(reply: Mapping[str, object], *, count: int) -> list[float]:
    """One number for each text, from /classify, /score or /pooling. Raises ToolFailed.

    Of several classes it is the last one's share, of several tokens the last one's value.
    """
    return [
        _numbers(row.get("score", row.get("probs", row.get("data"))))[-1]
        for row in _rows(reply, count=count)
    ]


def _rows(reply: Mapping[str, object], *, count: int) -> list[Mapping[str, object]]:
    rows = reply.get("data")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ToolFailed("the endpoint's reply has no list of results")
    if len(rows) != count:
        raise ToolFailed(f"the endpoint answered {len(rows):,} results where {count:,} were asked")
    places = [row.get("index", place) for place, row in enumerate(rows)]
    if sorted(map(str, places)) != sorted(map(str, range(count))):
        raise ToolFailed("the endpoint's results are not numbered as they were asked")
    return [
        row for _, row in sorted(zip(map(int, places), rows, strict=True), key=lambda one: one[0])
    ]


def _numbers(value: object) -> Vector:
    """All numbers of nested lists, in their order; at least one, and all of them finite."""
    found: Vector = []
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting.extend(reversed(one))
        elif isinstance(one, int | float) and not isinstance(one, bool) and isfinite(one):
            found.append(float(one))
        else:
            raise ToolFailed("the endpoint's results hold something that is no finite number")
        if len(found) + len(waiting) > MAX_NUMBERS:
            raise ToolFailed("the endpoint's results are too long")
    if not found:
        raise ToolFailed("the endpoint's results are empty")
    return found
