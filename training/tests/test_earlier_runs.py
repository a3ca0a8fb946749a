"""Run folders written by an earlier release, byte for byte, can still be read."""

import json
from pathlib import Path
from typing import Any

import pytest

from training.data.dataset import manifest_digest
from training.data.groups import Member, Source
from training.gate.drift import trainer_view
from training.methods.grpo import GRPOConfig
from training.practice.plan import GroupScores, PlannedGroup, PracticePlan, read_scores
from training.runs.attempts import finished_attempt, new_attempt
from training.trainers.job import Job
from training.worker import child
from training.worker.child import result_of

RUN = 41
FILES = {
    "practice.json": (
        '{"groups": [{"round": 9, "members": [["played", 31], ["practised", 0], ["shared", 33],'
        ' ["shared_practice", 4]]}], "left_out": {"held_out": 1}, "answers_left_out": {"stale": 2}}'
    ),
    "scores.json": '{"9": {"scores": [0.5, 0.25, 1.0, 0.0], "agreement": 0.75}}',
    "manifest.json": """{
  "answers_left_out": {"stale": 2},
  "base": {"served_name": "tiny", "sha256": "ab"},
  "format": 3,
  "groups": [{"id": 9, "sha256": "cd"}],
  "left_out": {"held_out": 1},
  "method": "grpo",
  "parent": {"adapter": "", "version": 1},
  "rehearsal": {"sha256": "ef", "texts": 24},
  "run": 41,
  "share": 2,
  "sources": {"played": 1, "practised": 1, "shared": 1, "shared_practice": 1},
  "threads": 2
}""",
    "attempt-1/job.toml": """base_path = "/base"
dataset_path = "/runs/41/dataset.jsonl"
parent_adapter_path = ""
threads = 2
device = "auto"
worker_pid = 77
rehearsal_path = "/runs/41/rehearsal-v1.jsonl"

[config]
method = "grpo"
rank = 4
alpha = 8
target_modules = "all-linear"
learning_rate = 0.0005
epochs = 2
max_length = 512
precision = "bf16"
clip = 1.0
rehearsal = 2.0
max_staleness = 4
adoption = "automatic"
seed = 7
beta = 0.0
tasks = 32
rollouts = 4
share = 2
groups_per_step = 2
clip_low = 0.2
clip_high = 4.0
""",
    "attempt-1/progress.jsonl": (
        '{"stage": "loading the base model"}\n'
        '{"step": 1, "steps": 1, "loss": 0.1, "reward": 0.4, "clipped": 0.0, "ratio": 1.0,'
        ' "kl": 0.0, "grad_norm": 1.5, "tokens_per_second": 80.0, "memory_bytes": 1024,'
        ' "seconds": 2.5, "remaining_seconds": 0.0}\n'
    ),
    "attempt-1/result.json": (
        '{"steps": 1, "loss_first": 0.1, "loss_last": 0.1, "tokens": 200, "seconds": 2.5,'
        ' "peak_memory_bytes": 2048, "drift": [{"prompt_ids": [5], "ids": [7, 2],'
        ' "logprobs": [-1.0, -0.5], "base_logprobs": [-1.5, -0.5]}]}'
    ),
    "attempt-1/adapter/adapter_config.json": "{}",
    "attempt-1/checkpoint/state.safetensors": "",
}


@pytest.fixture
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.RUN_STORE = tmp_path
    for name, text in FILES.items():
        path = tmp_path / str(RUN) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / str(RUN)


def test_a_plan_and_its_scores_are_read(folder: Path) -> None:
    members = (
        Member(Source.PLAYED, 31),
        Member(Source.PRACTISED, 0),
        Member(Source.SHARED, 33),
        Member(Source.SHARED_PRACTICE, 4),
    )
    assert PracticePlan.read(folder) == PracticePlan(
        (PlannedGroup(9, members),), {"held_out": 1}, {"stale": 2}
    )
    assert read_scores(folder) == {9: GroupScores([0.5, 0.25, 1.0, 0.0], 0.75)}


def test_a_manifest_keeps_its_digest(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["format"] == 3
    assert (
        manifest_digest(manifest)
        == "27322d226f8a82f6b59ece93962f2f8d111848c9c6a824b40b0848101562bb3a"
    )


def test_a_job_is_read(folder: Path) -> None:
    job = Job.read(folder / "attempt-1" / "job.toml")
    assert job.config == GRPOConfig(
        rank=4, alpha=8, precision=job.config.precision, seed=7, rollouts=4, share=2
    )
    assert (job.config.precision, job.worker_pid) == ("bf16", 77)
    assert job.rehearsal_path == "/runs/41/rehearsal-v1.jsonl"


def test_a_trainer_that_has_ended_is_not_started_again(folder: Path) -> None:
    attempt = folder / "attempt-1"
    assert finished_attempt(RUN) == attempt
    result = result_of(attempt, returncode=0)
    assert result["steps"] == 1
    (sequence,) = trainer_view(result, precision="bf16").sequences
    assert sequence.base_logprobs == [-1.5, -0.5]


def test_the_next_trainer_goes_on_from_the_checkpoint_with_its_progress(folder: Path) -> None:
    attempt = new_attempt(RUN)
    assert (attempt / "checkpoint" / "state.safetensors").exists()
    stage, step = child._Tail(attempt / "progress.jsonl").new_lines()
    assert stage == {"stage": "loading the base model"}
    assert (step["step"], step["reward"]) == (1, 0.4)
