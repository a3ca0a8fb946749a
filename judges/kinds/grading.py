"""What the kinds share whose model gives marks from 1 to 5 to one answer at a time."""

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from judges.parsing import Token, Unreadable, expected_digit
from judges.tools import CannotJudge, ToolFailed
from judges.transcript import Answer

LEAST_MARK, FULL_MARK = 1, 5
MARKS = range(LEAST_MARK, FULL_MARK + 1)
LIKELIEST = 20  # tokens asked for in each place
MAX_REASON_CHARACTERS = 200
TOKENS_PER_MARK = 90  # with the reason that comes before it
MARK_SCHEMA: dict[str, Any] = {
    "type": "object",
    # In this order: a mark that follows its reason is a better one.
    "properties": {
        "reason": {"type": "string"},
        "score": {"type": "integer", "minimum": LEAST_MARK, "maximum": FULL_MARK},
    },
    "required": ["reason", "score"],
    "additionalProperties": False,
}
_CONCURRENT_REQUESTS = 8
_MARK = re.compile(r'"score"\s*:\s*([1-5])(?=\s*[,}])')

T = TypeVar("T")


async def of_each(
    answers: Sequence[Answer], grade: Callable[[Answer], Awaitable[T]]
) -> dict[int, T]:
    """What `grade` finds for each answer's seat. CannotJudge unless it could for all of them."""
    slots = asyncio.Semaphore(_CONCURRENT_REQUESTS)
    faults: list[str] = []

    async def graded(answer: Answer) -> T | None:
        try:
            async with slots:
                return await grade(answer)
        except (ToolFailed, Unreadable) as fault:
            faults.append(str(fault))
            return None

    async with asyncio.TaskGroup() as group:
        tasks = {answer.seat: group.create_task(graded(answer)) for answer in answers}
    if faults:
        raise CannotJudge(
            f"it could not grade {len(faults)} of {len(answers)} answers; "
            f"{Counter(faults).most_common(1)[0][0]}"
        )
    found = {seat: task.result() for seat, task in tasks.items()}
    return {seat: one for seat, one in found.items() if one is not None}


def marked(value: object) -> tuple[int, str]:
    """(mark, reason) of one object of `MARK_SCHEMA`. Raises Unreadable."""
    if not isinstance(value, dict) or set(value) != {"reason", "score"}:
        raise Unreadable("its JSON is not of the form that it was asked for")
    mark, reason = value["score"], value["reason"]
    if isinstance(mark, bool) or not isinstance(mark, int) or mark not in MARKS:
        raise Unreadable("it gave a score that is no whole number from 1 to 5")
    if not isinstance(reason, str):
        raise Unreadable("its JSON is not of the form that it was asked for")
    return mark, reason


def expected_marks(said: str, marks: Sequence[int], tokens: Sequence[Token]) -> list[float]:
    """The marks in the order of the reply, each as the mean of what it could have been.

    Where the server tells no probabilities, the mark itself.
    """
    places = [found.start(1) for found in _MARK.finditer(said)]
    if [int(said[place]) for place in places] != list(marks):
        return [float(mark) for mark in marks]
    expected = (
        expected_digit(tokens, said[:place], mark, digits=MARKS)
        for place, mark in zip(places, marks, strict=True)
    )
    return [
        float(mark) if mean is None else mean for mean, mark in zip(expected, marks, strict=True)
    ]


def share_of(mark: float) -> float:
    """A mark from 1 to 5 as a score in [0, 1]."""
    return min(1.0, max(0.0, (mark - LEAST_MARK) / (FULL_MARK - LEAST_MARK)))
