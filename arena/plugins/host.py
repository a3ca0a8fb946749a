"""`python -m arena.plugins.host NAME`: plays one package's environment over standard input and output.

The only process that imports a plug-in. Before it does, it confines itself; see
`arena.plugins.confinement`. One line of JSON is one call, one line of JSON its reply:

    {"id": 7, "call": "act", "arguments": [position, seat, text]}
    {"id": 7, "value": ...}  or  {"id": 7, "illegal": sentence}  or  {"id": 7, "error": sentence}
"""

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, BinaryIO

from arena.environments.base import IllegalTurn, Split, Task, view_json
from arena.plugins.confinement import CannotConfine, confine
from arena.plugins.installed import NotInstalled, entry_point
from arena.plugins.wire import (
    MAX_LINE_BYTES,
    METHODS,
    facts_of,
    score_as_json,
)

# A call is given up by the near end long before; this ends the process when that is dead, too.
ALARM_SECONDS = 60

JSON = dict[str, Any]


def main(name: str) -> int:
    """Answer calls until standard input ends."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # What a plug-in prints goes nowhere; the pipe carries replies only.
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    try:
        chosen = entry_point(name)
        confine()
    except (NotInstalled, CannotConfine) as problem:
        _reply(replies, {"error": str(problem)})
        return 1
    try:
        environment = chosen.load()
        if isinstance(environment, type):
            environment = environment()
        missing = [method for method in METHODS if not callable(getattr(environment, method, None))]
        if missing:
            raise TypeError(f"it has no {missing[0]}()")
        ready = {"ready": facts_of(environment)}
    except BaseException as error:  # noqa: BLE001 SystemExit, too: the near end is told why
        _reply(replies, {"error": f"it cannot be loaded: {_told(error)}"})
        return 1
    _reply(replies, ready)
    serve(environment, requests, replies)
    return 0


def serve(environment: Any, requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer each line of `requests`, in order."""
    calls = calls_of(environment)
    while line := requests.readline(MAX_LINE_BYTES):
        request = json.loads(line)
        signal.alarm(ALARM_SECONDS)
        _reply(replies, {"id": request["id"]} | _answer(calls, request))
        signal.alarm(0)


def calls_of(environment: Any) -> Mapping[str, Callable[..., Any]]:
    """The protocol with JSON values in and out."""
    return {
        "make_task": lambda seed, split, difficulty: environment.make_task(
            Random(seed), Split(split), difficulty
        ).as_json(),
        "practice_task": lambda seed, split, difficulty: environment.practice_task(
            Random(seed), Split(split), difficulty
        ).as_json(),
        "score": lambda task, text: score_as_json(environment.score(Task.from_json(task), text)),
        "begin": lambda task, seats: environment.begin(Task.from_json(task), seats),
        "to_move": environment.to_move,
        "observe": environment.observe,
        "moves": environment.moves,
        "act": environment.act,
        "forfeit": environment.forfeit,
        "payoffs": lambda position: list(environment.payoffs(position).items()),
        "view": lambda position: view_json(environment.view(position)),
        "solve": lambda position, seat, seed: environment.solve(position, seat, Random(seed)),
    }


def _answer(calls: Mapping[str, Callable[..., Any]], request: JSON) -> JSON:
    try:
        value = calls[request["call"]](*request["arguments"])
        json.dumps(value, allow_nan=False)
    except IllegalTurn as problem:
        return {"illegal": str(problem)}
    except BaseException as error:  # noqa: BLE001 whatever a stranger's code raises is a reply
        return {"error": _told(error)}
    return {"value": value}


def _told(error: BaseException) -> str:
    """The error and where in the plug-in it came from, in one line."""
    text = str(error) or "no reason given"
    frames = traceback.extract_tb(error.__traceback__)
    place = (
        f" ({os.path.basename(frames[-1].filename)}, line {frames[-1].lineno})" if frames else ""
    )
    return f"{type(error).__name__}: {text[:300]}{place}"


def _reply(replies: BinaryIO, value: JSON) -> None:
    line = json.dumps(value).encode() + b"\n"
    if len(line) > MAX_LINE_BYTES:
        reason = f"its reply has {len(line):,} bytes; the most are {MAX_LINE_BYTES:,}"
        line = json.dumps({"id": value.get("id"), "error": reason}).encode() + b"\n"
    replies.write(line)
    replies.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
