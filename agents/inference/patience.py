"""Coroutines side by side that raise one plain error, and requests that are retried."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, TypeVar

from agents.inference.client import InferenceUnavailable

# Pauses between retries of one request while no server answers; after them the work is put off.
RETRY_PAUSES_SECONDS = (1.0, 5.0, 15.0)

HEARTBEAT_SECONDS = 5.0

# Receives what a run is doing; may raise to stop it.
Heartbeat = Callable[[str], Awaitable[None]]
Result = TypeVar("Result")


async def together(work: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """All results in order; the first failure cancels the others and is raised unwrapped."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


async def beside(
    background: Coroutine[Any, Any, None], work: Coroutine[Any, Any, Result]
) -> Result:
    """The result of `work`; a failure of either cancels both and is raised unwrapped."""
    try:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(background)
            result = await work
            running.cancel()
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return result


async def pulse(beat: Callable[[], Awaitable[None]]) -> None:
    """Await `beat` at once and then every HEARTBEAT_SECONDS, forever: see `beside`."""
    while True:
        await beat()
        await asyncio.sleep(HEARTBEAT_SECONDS)


async def patiently(ask: Callable[[], Awaitable[Result]]) -> Result:
    """The result of `ask`, retried after each of RETRY_PAUSES_SECONDS while no server answers.

    Raises the last error.
    """
    for pause_seconds in RETRY_PAUSES_SECONDS:
        try:
            return await ask()
        except InferenceUnavailable:
            await asyncio.sleep(pause_seconds)
    return await ask()
