"""Coroutines side by side, with one plain error where several may fail."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

Result = TypeVar("Result")


async def together(work: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """All results in order; the first failure ends the others and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


async def beside(
    background: Coroutine[Any, Any, None], work: Coroutine[Any, Any, Result]
) -> Result:
    """The result of `work`; a failure of either ends both and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(background)
            result = await work
            running.cancel()
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return result
