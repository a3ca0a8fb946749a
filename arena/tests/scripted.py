"""A scripted stand-in for the model in fast tests: same interface as agents.inference.client.Inference."""

import asyncio
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from agents.inference.client import (
    ChoicesRefused,
    Generation,
    Message,
    OnText,
    Sampling,
    ServedModel,
)
from agents.inference.moves import problem_with_choices

Script = Callable[[ServedModel, Sequence[Message]], str | Exception]


class ScriptedModel:
    """Answers by a function; an exception that it returns is raised half-way through the text."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.asked: list[Sequence[Message]] = []

    def __call__(self, servers: object = None) -> Self:
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    async def generate(
        self,
        model: ServedModel,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        on_text: OnText | None = None,
        choices: Sequence[str] = (),
    ) -> Generation:
        if problem := problem_with_choices(choices):
            raise ChoicesRefused(problem)
        self.asked.append(messages)
        outcome = self.script(model, messages)
        if isinstance(outcome, Exception):
            if on_text:
                await on_text("half an ans")
            raise outcome
        assert not choices or outcome in choices, f"{outcome!r} is none of {choices}"
        words = outcome.split(" ")
        for word in words:
            if on_text:
                await on_text(word + " ")
            await asyncio.sleep(0)
        return Generation(
            text=outcome,
            prompt_token_ids=[1, 2],
            token_ids=list(range(len(words))),
            logprobs=[-0.5] * len(words),
            chunk_times=[(len(outcome), 0.1)],
            finish_reason="stop",
            seconds=0.1,
            allowed_token_ids=[tuple(range(len(choices)))] * len(words) if choices else [],
        )

    async def spell(
        self, base: str, text: str, choices: Sequence[str] = ()
    ) -> tuple[list[int], list[tuple[int, ...]]]:
        ids = list(range(len(text.split())))
        return ids, [tuple(ids)] * len(ids) if text in choices else []
