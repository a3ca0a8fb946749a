"""Runs without a model: a fake trainer's process and a scripted gate."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from training import batch, execute
from training.child import run_trainer
from training.datasets import run_folder
from training.exams import Contestants
from training.models import TrainingRun

FIGURES: dict[str, Any] = {
    "tasks": 64,
    "parent": {"mean": 0.2, "passed": 10},
    "child": {"mean": 0.4, "passed": 20},
    "difference": 0.2,
    "lower_bound": 0.1,
    "confidence": 0.9,
    "margin": 0.05,
    "kinds": {},
    "probes": [],
    "refusals": [],
    "adopted": True,
    "examples": [],
}

Gate = Callable[[Contestants], dict[str, Any]]


def script_runs(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep runs away from the machine's files, brokers, models and inference servers."""
    settings.RUN_STORE = tmp_path / "runs"
    settings.ADAPTER_STORE = tmp_path / "adapters"
    monkeypatch.setattr("training.tasks.run_training.delay", lambda run_id: None)
    monkeypatch.setattr("training.child.POLL_SECONDS", 0.1)
    fake = partial(run_trainer, module="training.tests.fake_trainer")
    monkeypatch.setattr(batch, "run_trainer", fake)
    script_gate(monkeypatch, lambda contestants: FIGURES)


def script_gate(monkeypatch: pytest.MonkeyPatch, gate: Gate) -> None:
    """Put a scripted gate in the place of the inference servers."""

    async def evaluate(contestants: Contestants, **_: Any) -> dict[str, Any]:
        return gate(contestants)

    monkeypatch.setattr(execute, "evaluate", evaluate)


def fail_with(error: Exception) -> Gate:
    def gate(contestants: Contestants) -> dict[str, Any]:
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
