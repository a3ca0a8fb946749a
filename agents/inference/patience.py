"""Coroutines side by side that raise one plain error, and requests that are retried."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from itertools import chain, repeat, takewhile
from typing import Any, TypeVar

from agents.inference.replies import InferenceUnavailable

# Pauses between retries of one request while no server answers; after them the work is put off.
RETRY_PAUSES_SECONDS = (1.0, 5.0, 15.0)
# The same while somebody watches: short at first; the last one repeats.
EAGER_PAUSES_SECONDS = (0.5, 1.0, 2.0, 4.0, 5.0)

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


async def patiently(
    ask: Callable[[], Awaitable[Result]],
    *,
    pauses: Iterable[float] | None = None,
    on_fault: Callable[[InferenceUnavailable], object] = lambda _: None,
) -> Result:
    """The result of `ask`, retried after each of `pauses` (in seconds) while no server answers.

    `pauses` defaults to RETRY_PAUSES_SECONDS. `on_fault` is called with each fault that is followed
    by a retry. Raises the last fault.
    """
    left = iter(RETRY_PAUSES_SECONDS if pauses is None else pauses)
    while True:
        try:
            return await ask()
        except InferenceUnavailable as fault:
            pause_seconds = next(left, None)
            if pause_seconds is None:
                raise
            on_fault(fault)
            await asyncio.sleep(pause_seconds)


def eager_pauses(*, within_seconds: float) -> Iterator[float]:
    """EAGER_PAUSES_SECONDS for `patiently`, up to the last pause that ends within the time."""
    deadline = time.monotonic() + within_seconds
    pauses = chain(EAGER_PAUSES_SECONDS, repeat(EAGER_PAUSES_SECONDS[-1]))
    return takewhile(lambda pause: time.monotonic() + pause <= deadline, pauses)
