"""A third method is one class and one line of the registry: this one imitates the better answers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from training.configs.configs import PRESETS, LearningConfig, Precision
from training.configs.fields import InvalidConfig, setting
from training.methods import METHODS, config_from_json
from training.methods.base import GRADIENT, LOSS, Method, MethodWords, PracticeSize, RunSize
from training.methods.examples import PAIRS
from training.models import TrainingRun
from training.runs.charges import ANSWERS_A_UNIT
from training.runs.starting import start_due_runs
from training.tests.builders import (
    FIRST_ID,
    make_agent,
    make_base,
    make_pairs_for,
    make_space,
    spec_of,
)
from training.trainers.job import ADAPTER_FOLDER, JOB_FILE, PROGRESS_FILE, Job
from training.trainers.loss import Share
from training.trainers.model.base_model import load_base
from training.trainers.model.packing import Row
from training.trainers.run import Run
from training.trainers.step import Step
from training.trainers.tests.builders import save_tiny_base
from training.worker.steps import make_dataset

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class ImitationConfig(LearningConfig):
    method: ClassVar[str] = "imitation"

    most: int = setting(6, "Most pairs", "A run imitates the newest of so many.", low=1, high=99)


class Imitation(Method[ImitationConfig]):
    name = ImitationConfig.method
    config_class = ImitationConfig
    presets: Mapping[str, ImitationConfig] = dict.fromkeys(PRESETS, ImitationConfig())
    examples = PAIRS
    has_kl_guard = False
    words = MethodWords("Imitation", "learns from better answers", "It says what won.")
    charts = (LOSS, GRADIENT)

    def size(self, config: ImitationConfig, *, pairs: int, tasks: int) -> RunSize:
        taken = min(pairs, config.most)
        return RunSize(pairs=taken, answers=taken)

    def practice(self, config: ImitationConfig) -> PracticeSize | None:
        return None

    def examples_per_step(self, config: ImitationConfig) -> int:
        return 2

    def share(self, config: ImitationConfig, step: Step, row: Row, logprobs: torch.Tensor) -> Share:
        chosen = torch.cat(logprobs.split(list(row.lengths))[0::2])
        count = sum(len(example.units[0].answers[0]) for example in step.examples)
        return Share(-chosen.sum() / count, {})


@pytest.fixture(autouse=True)
def _registered(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(METHODS, dict)
    monkeypatch.setitem(METHODS, Imitation.name, Imitation())
    monkeypatch.setattr("training.runs.nudges.nudge", lambda *nudge, **options: None)
    settings.RUN_STORE = tmp_path / "runs"


def test_its_settings_are_checked() -> None:
    assert config_from_json({"method": "imitation", "most": 3}) == ImitationConfig(most=3)
    with pytest.raises(InvalidConfig, match="Most pairs must be between 1 and 99"):
        config_from_json({"method": "imitation", "most": 0})


def test_it_is_priced_queued_and_trained(
    fake_base: Path, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_base(str(fake_base))
    choices = {"method": "imitation", "rank": 4, "alpha": 8, "epochs": 1, "max_length": 2048}
    agent, space = make_agent(learning=choices | {"precision": "bf16"}), make_space()
    make_pairs_for(agent, count=8, space=space)

    monkeypatch.setattr(settings.ENV, "training_pairs", 8)
    (run_id,) = start_due_runs()
    run = TrainingRun.objects.get(id=run_id)
    run.clean_fields(exclude={"manifest", "progress", "curve", "gate"})
    assert (run.method, run.pair_count) == ("imitation", 6)
    assert run.price_credits == ceil(6 / ANSWERS_A_UNIT) * settings.ENV.training_price

    manifest = make_dataset(spec_of(run))
    assert (manifest["method"], len(manifest["pairs"])) == ("imitation", 6)

    tiny = save_tiny_base(tmp_path / "tiny", vocabulary=FIRST_ID + 256)
    folder = tmp_path / "attempt"
    folder.mkdir()
    spec = spec_of(run)
    Job(
        base_path=str(tiny),
        dataset_path=str(spec.folder / "dataset.jsonl"),
        parent_adapter_path="",
        threads=1,
        device="cpu",
        worker_pid=0,
        config=spec.config,
    ).write(folder)
    base = load_base(tiny, precision=Precision.BF16, device=torch.device("cpu"))
    trained = Run(folder, Job.read(folder / JOB_FILE), base)
    for _ in trained.work():
        pass
    assert trained.result is not None
    assert trained.result["steps"] == 3, "six pairs, two a step"
    lines = [json.loads(line) for line in (folder / PROGRESS_FILE).read_text().splitlines()]
    steps = [line for line in lines if "step" in line]
    assert [step["loss"] > 0 for step in steps] == [True] * 3
    assert all({words.name for words in Imitation.charts} <= step.keys() for step in steps)
    assert (folder / ADAPTER_FOLDER).is_dir()
