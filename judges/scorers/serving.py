"""Lines of JSON in, lines of JSON out: what all scorer processes do."""

import json
from collections.abc import Callable
from typing import Any, BinaryIO

from judges.scorers.protocol import MAX_LINE_BYTES

Answer = Callable[[dict[str, Any]], dict[str, Any]]


def serve(answer: Answer, source: BinaryIO, target: BinaryIO) -> None:
    """Answer line by line until the source ends; a bad request gets an error and ends nothing."""
    _write(target, {"ready": True})
    while line := source.readline(MAX_LINE_BYTES + 1):
        if len(line) > MAX_LINE_BYTES:
            _write(target, {"error": "the request is too long"})
            return  # the rest of the line would look like a request
        _write(target, answered(answer, line))


def answered(answer: Answer, line: bytes) -> dict[str, Any]:
    """The reply to one request line."""
    try:
        request = json.loads(line)
        if not isinstance(request, dict):
            return {"error": "a request must be an object"}
        return answer(request)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        return {"error": f"bad request: {type(error).__name__}"}


def _write(target: BinaryIO, reply: dict[str, Any]) -> None:
    target.write(json.dumps(reply).encode() + b"\n")
    target.flush()
