"""Asks a judge's model, and once more elsewhere if its reply says nothing."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from judges.parsing import Unreadable, without_thoughts
from judges.tools import ChatRequest, Reply, ToolFailed, Tools

# At 0 the same endpoint would write the same words again.
REPEAT_TEMPERATURE = 0.5

T = TypeVar("T")


async def ask(tools: Tools, request: ChatRequest, read: Callable[[str, Reply], T]) -> T:
    """What `read` makes of the model's words (without its thoughts) and of its whole reply.

    What cannot be read is asked once more: of another endpoint if there is one, else of the same.
    Raises Unreadable if that cannot be read either, ToolFailed or CannotJudge as the tool does.
    """
    try:
        return _read(await tools.complete(request), read)
    except Unreadable as unread:
        if request.is_repeat:
            raise
        reason = unread
    repeat = replace(request, is_repeat=True, temperature=REPEAT_TEMPERATURE)
    try:
        return _read(await tools.complete(repeat), read)
    except ToolFailed:
        raise reason from None


def _read(reply: Reply, read: Callable[[str, Reply], T]) -> T:
    return read(without_thoughts(reply.text, is_cut=reply.is_cut, thoughts=reply.thoughts), reply)
