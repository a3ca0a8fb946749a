"""A scripted model for practice, and runs that practise with it."""

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from asgiref.sync import async_to_sync

from agents.inference.client import (
    Generation,
    Message,
    Sampling,
    ServedModel,
)
from agents.models import Engine
from arena.models import Space
from training.data.dataset import (
    DATASET_FILE,
    PROVENANCE_FILE,
)
from training.data.harvest import harvest_matches
from training.methods.examples import GroupExample
from training.methods.grpo import GRPOConfig
from training.models import TrainingRun
from training.practice.practice import practise
from training.runs.attempts import run_folder
from training.tests.builders import (
    END_ID,
    ids_of,
    make_agent,
    make_base,
    make_match,
    make_run,
    make_space,
    prompt_ids_of,
    spec_of,
)

GOOD = "cats are quiet animals that sleep all day."
BAD = "Cats ARE Loud."


class ScriptedInference:
    """The model of these tests: answers by `script`, in place of agents.inference.client.Inference."""

    script: Callable[[Sequence[Message], int], str]
    calls: list[tuple[ServedModel, list[Message], Sampling]]
    choices: list[tuple[str, ...]]  # of each call
    in_flight: int
    most_in_flight: int

    @classmethod
    def reset(cls) -> None:
        cls.script = staticmethod(lambda messages, number: (GOOD, BAD)[number % 2])
        cls.calls, cls.choices = [], []
        cls.in_flight = cls.most_in_flight = 0

    def __init__(self, servers: object = None) -> None:
        pass

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        pass

    async def ensure_adapter(self, model: ServedModel) -> None:
        pass

    async def generate(
        self,
        model: ServedModel,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        choices: Sequence[str] = (),
    ) -> Generation:
        cls = type(self)
        number = len(cls.calls)
        cls.calls.append((model, list(messages), sampling))
        cls.choices.append(tuple(choices))
        cls.in_flight += 1
        cls.most_in_flight = max(cls.in_flight, cls.most_in_flight)
        try:
            await asyncio.sleep(0)
            text = choices[number % len(choices)] if choices else cls.script(messages, number)
        finally:
            cls.in_flight -= 1
        ids = [*ids_of(text), END_ID]
        return Generation(
            text=text,
            prompt_token_ids=prompt_ids_of(messages),
            token_ids=ids,
            logprobs=[-0.25] * len(ids),
            chunk_times=[],
            finish_reason="stop",
            seconds=0.1,
            allowed_token_ids=[(one, one + 1) for one in ids] if choices else [],
        )


def make_grpo_run(
    fake_base: Path, *, rounds: int = 4, space: Space | None = None, **config: Any
) -> TrainingRun:
    """An agent that lost `rounds` rounds against the Solver and another agent."""
    make_base(str(fake_base))
    space = space or make_space()
    agent, other = make_agent(prompt="I am first."), make_agent(prompt="I am second.")
    solver = make_agent(engine=Engine.CODE, is_house=True)
    make_match([agent, other, solver], [{0: 0.2, 1: 0.5, 2: 0.9}] * rounds, space=space)
    harvest_matches()
    values = {"tasks": 4, "rollouts": 4, "share": 2, "max_length": 2048} | config
    return make_run(agent, space, config=GRPOConfig(**values))


def practise_now(run: TrainingRun, told: list[str] | None = None) -> None:
    async def heartbeat(sentence: str) -> None:
        if told is not None:
            told.append(sentence)

    async_to_sync(practise)(spec_of(run), heartbeat=heartbeat)


def examples_of(run: TrainingRun) -> list[GroupExample]:
    lines = (run_folder(run.pk) / DATASET_FILE).read_text().splitlines()
    return [GroupExample.from_json(json.loads(line)) for line in lines]


def origins_of(run: TrainingRun) -> list[dict[str, Any]]:
    lines = (run_folder(run.pk) / PROVENANCE_FILE).read_text().splitlines()
    return [json.loads(line) for line in lines]
