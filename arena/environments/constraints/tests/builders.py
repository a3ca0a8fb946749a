"""A task under one rule."""

from typing import Any

from arena.environments.base import Task
from arena.environments.text.topics import BY_NAME


def make_task(
    rule: str, *, topic: str = "cats", prompt: str = "Tell me about cats.", **params: Any
) -> Task:
    return Task(
        kind=rule,
        prompt=prompt,
        data={
            "topic": topic,
            "stems": list(BY_NAME[topic].stems),
            "rules": [{"rule": rule, "params": params}],
        },
    )
