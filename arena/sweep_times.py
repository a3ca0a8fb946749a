"""When each periodic task last ran to its end, and how long that took: what an operator asks first."""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec

from django.core.cache import cache
from redis import RedisError

P = ParamSpec("P")


@dataclass(frozen=True)
class SweepTime:
    """The last time: when it ended, in seconds of Unix time, and how long it took."""

    ended_at: float
    seconds: float


def timed(task: str) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Note the time of each call that ends without an error, under the task's name."""

    def wrap(run: Callable[P, None]) -> Callable[P, None]:
        @wraps(run)
        def inner(*args: P.args, **kwargs: P.kwargs) -> None:
            begun = time.monotonic()
            run(*args, **kwargs)
            with suppress(RedisError):  # the work is done; only its time is not known
                cache.set(_key(task), (time.time(), time.monotonic() - begun), timeout=None)

        return inner

    return wrap


def sweep_times(tasks: Iterable[str]) -> Mapping[str, SweepTime]:
    """By the task's name; those that never ran, or whose time is lost, are not in it."""
    keys = {_key(task): task for task in tasks}
    try:
        found = cache.get_many(keys)
    except RedisError:
        return {}
    return {keys[key]: SweepTime(*value) for key, value in found.items()}


def _key(task: str) -> str:
    return f"sweep-time:{task}"
