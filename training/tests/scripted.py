"""Runs without a model: a fake trainer's process, a scripted gate and a scripted base."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Self

import pytest
from django.utils import timezone

from agents.inference import patience
from agents.inference.client import Continuation, Message, Sampling, ServedModel
from training.gate.decisions import GateDecision
from training.gate.figures import OwnFigures, Side
from training.gate.record import GateRecord, judged
from training.gate.sitting import Contestants
from training.models import TrainingRun
from training.practice import rehearsal
from training.runs.attempts import run_folder
from training.tests.builders import END_ID, ids_of, prompt_ids_of
from training.worker import batch, steps
from training.worker.child import run_trainer


def _gate(*, parent: Side, child: Side, lower_bound: float) -> GateRecord:
    decision = GateDecision(
        difference=child.mean - parent.mean, lower_bound=lower_bound, confidence=0.9, margin=0.05
    )
    own = OwnFigures(tasks=64, parent=parent, child=child, decision=decision)
    return judged(own=own, kinds={}, probes=(), drift=None, examples=())


_LITTLE, _MUCH = Side(mean=0.2, passed=10), Side(mean=0.4, passed=20)
PASSED = _gate(parent=_LITTLE, child=_MUCH, lower_bound=0.1)
REFUSED = _gate(parent=_MUCH, child=_LITTLE, lower_bound=-0.3)

TURN_ID = 1  # begins a turn in the chat template of prompt_ids_of


class ScriptedBase:
    """A plain base that makes up prompts and answers them, in place of agents.inference.client."""

    prompts: Callable[[int], str | Exception]  # the words of the n-th one, from 0
    is_finished: bool
    made_up: int
    in_flight: int
    most_in_flight: int
    asked: list[tuple[str, Sampling]]

    @classmethod
    def reset(cls) -> None:
        cls.prompts = staticmethod(lambda number: f" What is {number}? ")
        cls.is_finished = True
        cls.made_up = cls.in_flight = cls.most_in_flight = 0
        cls.asked = []

    def __init__(self, servers: object = None) -> None:
        pass

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        pass

    async def chat_ids(self, model_name: str, messages: Sequence[Message]) -> list[int]:
        return [*prompt_ids_of(messages), TURN_ID]

    async def continue_ids(
        self, model: ServedModel, ids: Sequence[int], sampling: Sampling
    ) -> Continuation:
        cls = type(self)
        cls.asked.append((model.name, sampling))
        cls.in_flight += 1
        cls.most_in_flight = max(cls.in_flight, cls.most_in_flight)
        await asyncio.sleep(0)
        cls.in_flight -= 1
        if list(ids) != [TURN_ID]:
            return Continuation("A number.", [*ids_of("A number."), END_ID], True)
        words = cls.prompts(cls.made_up)
        cls.made_up += 1
        if isinstance(words, Exception):
            raise words
        return Continuation(words, ids_of(words), cls.is_finished)


Gate = Callable[[Contestants], GateRecord]


def script_runs(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep runs away from the machine's files, brokers, models and inference servers."""
    settings.RUN_STORE = tmp_path / "runs"
    settings.ADAPTER_STORE = tmp_path / "adapters"
    monkeypatch.setattr("training.runs.nudges.nudge", lambda *nudge, **options: None)
    monkeypatch.setattr("training.worker.child.POLL_SECONDS", 0.1)
    fake = partial(run_trainer, module="training.tests.fake_trainer")
    monkeypatch.setattr(batch, "run_trainer", fake)
    script_gate(monkeypatch, lambda contestants: PASSED)
    script_base(monkeypatch)


def script_base(monkeypatch: pytest.MonkeyPatch) -> type[ScriptedBase]:
    """Put a scripted base in place of the inference servers, for rehearsal."""
    ScriptedBase.reset()
    monkeypatch.setattr(rehearsal, "Inference", ScriptedBase)
    monkeypatch.setattr(patience, "RETRY_PAUSES_SECONDS", (0.0, 0.0))
    return ScriptedBase


def script_gate(monkeypatch: pytest.MonkeyPatch, gate: Gate) -> None:
    """Put a scripted gate in the place of the inference servers."""

    async def evaluate(contestants: Contestants, **_: Any) -> GateRecord:
        return gate(contestants)

    monkeypatch.setattr(steps, "evaluate", evaluate)


def fail_with(error: Exception) -> Gate:
    def gate(contestants: Contestants) -> GateRecord:
        raise error

    return gate


def behave(fake_base: Path, behaviour: str, *, seed: int | None = None) -> None:
    """Tell the fake trainer what to do: with every job, or with those of one config seed."""
    name = "behaviour" if seed is None else f"behaviour-{seed}"
    (fake_base / name).write_text(behaviour)


def expire(run: TrainingRun) -> None:
    past = timezone.now() - timedelta(seconds=1)
    TrainingRun.objects.filter(id=run.pk).update(lease_expires_at=past)


def attempt_folder(run: TrainingRun, number: int) -> Path:
    return run_folder(run.pk) / f"attempt-{number}"
