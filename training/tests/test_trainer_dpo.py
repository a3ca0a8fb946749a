"""The real trainer on the real base model: small, in processes of its own."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from agents.adapters import CONFIG_FILE, WEIGHTS_FILE, check_adapter
from arena.config.env import REPOSITORY
from training.configs import DPOConfig
from training.datasets import export_lines
from training.jobs import harvest_matches
from training.tests.builders import make_agent, make_match
from training.trainers.job import ADAPTER_FOLDER, PROGRESS_FILE, Job, read_result

TIMEOUT_SECONDS = 240
SMALL: dict[str, Any] = {
    "epochs": 1,
    "rank": 8,
    "alpha": 16,
    "pairs_per_step": 3,
    "max_length": 128,
}
TOPICS = ("cats", "rain", "tea", "ships", "bread", "snow")


def write_pairs(folder: Path) -> Path:
    path = folder / "dataset.jsonl"
    pairs = [
        {
            "prompt": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": f"A line about {topic} in lower case."},
            ],
            "chosen": [{"role": "assistant", "content": f"the {topic} are here, small and soft."}],
            "rejected": [{"role": "assistant", "content": f"THE {topic} Are HERE! Yes, Sir."}],
        }
        for topic in TOPICS
    ]
    path.write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    return path


def start(
    folder: Path, base: Path, *, parent: Path | None = None, **config: Any
) -> subprocess.Popen[str]:
    folder.mkdir()
    job = Job(
        base_path=str(base),
        dataset_path=str(write_pairs(folder)),
        parent_adapter_path=str(parent or ""),
        threads=1,
        device="cpu",
        worker_pid=os.getpid(),
        config=DPOConfig(**(SMALL | config)),
    )
    return subprocess.Popen(
        [sys.executable, "-m", "training.trainers.dpo", str(job.write(folder))],
        cwd=REPOSITORY,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(*processes: subprocess.Popen[str]) -> list[int]:
    outputs = [process.communicate(timeout=TIMEOUT_SECONDS)[0] for process in processes]
    for process, output in zip(processes, outputs, strict=True):
        assert process.returncode in (0, 3), output[-3000:]
    return [process.returncode for process in processes]


def steps_of(folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / PROGRESS_FILE).read_text().splitlines()]
    return [line for line in lines if "step" in line]


def digest_of(folder: Path) -> str:
    return hashlib.sha256((folder / ADAPTER_FOLDER / WEIGHTS_FILE).read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, base_model: Path) -> Path:
    """first and again: the same job; bf16: in bf16; second: on from first."""
    folder = tmp_path_factory.mktemp("trainings")
    assert finish(start(folder / "first", base_model), start(folder / "again", base_model)) == [
        0,
        0,
    ]
    first_adapter = folder / "first" / ADAPTER_FOLDER
    assert finish(
        start(folder / "bf16", base_model, precision="bf16"),
        start(folder / "second", base_model, parent=first_adapter),
    ) == [0, 0]
    return folder


def test_the_same_job_gives_the_same_adapter_bit_for_bit(folder: Path) -> None:
    assert digest_of(folder / "first") == digest_of(folder / "again")


def test_an_adapter_passes_the_checks_before_it_is_offered(folder: Path, base_model: Path) -> None:
    facts = check_adapter(folder / "first" / ADAPTER_FOLDER, base_folder=base_model)
    assert (facts.rank, facts.alpha, len(facts.target_modules)) == (8, 16, 7)
    tensors = load_file(folder / "first" / ADAPTER_FOLDER / WEIGHTS_FILE)
    assert {tensor.dtype for tensor in tensors.values()} == {np.dtype(np.float32)}
    assert all(np.any(tensor) for tensor in tensors.values()), "every layer has learned"


def test_training_prefers_the_better_answers_more_at_each_step(folder: Path) -> None:
    for name in ("first", "bf16", "second"):
        before, after = steps_of(folder / name)
        assert before["reward_margin"] == pytest.approx(0, abs=0.02), "starts at its reference"
        assert after["reward_margin"] > 0.05
        assert after["loss"] < before["loss"]
        assert (after["step"], after["steps"], after["remaining_seconds"]) == (2, 2, 0)


def test_gradients_through_the_quantized_base_are_those_of_the_plain_one(folder: Path) -> None:
    """bitsandbytes repacks nf4 weights for CPUs in evaluation mode and then has no gradient."""
    quantized, plain = steps_of(folder / "first")[0], steps_of(folder / "bf16")[0]
    assert quantized["grad_norm"] == pytest.approx(plain["grad_norm"], rel=0.3)


def test_a_later_run_starts_from_its_parents_weights(folder: Path) -> None:
    first = load_file(folder / "first" / ADAPTER_FOLDER / WEIGHTS_FILE)
    second = load_file(folder / "second" / ADAPTER_FOLDER / WEIGHTS_FILE)
    assert first.keys() == second.keys()
    moved = max(np.abs(second[name] - first[name]).max() for name in first)
    assert 0 < moved < 3 * DPOConfig().learning_rate, "two steps of Adam, no new start"


def test_a_result_tells_steps_losses_time_and_memory(folder: Path) -> None:
    result = read_result(folder / "first")
    assert result is not None
    assert result["steps"] == 2
    assert result["loss_last"] < result["loss_first"]
    assert result["tokens"] > 0
    assert result["seconds"] > 0
    assert result["peak_memory_bytes"] > 100_000_000


def test_numbers_that_are_not_finite_stop_the_run_with_a_sentence(
    folder: Path, base_model: Path, tmp_path: Path
) -> None:
    parent = tmp_path / "parent"
    parent.mkdir()
    tensors = load_file(folder / "first" / ADAPTER_FOLDER / WEIGHTS_FILE)
    name = next(name for name in tensors if "lora_B" in name)
    tensors[name][0, 0] = np.nan
    save_file(tensors, parent / WEIGHTS_FILE)
    config = (folder / "first" / ADAPTER_FOLDER / CONFIG_FILE).read_text()
    (parent / CONFIG_FILE).write_text(config)
    attempt = tmp_path / "attempt"
    assert finish(start(attempt, base_model, parent=parent)) == [3]
    result = read_result(attempt)
    assert result is not None
    assert result["error"].startswith("Training diverged at step 1")
    assert not (attempt / ADAPTER_FOLDER).exists()


LOAD_AS_TRL_DOES = """
import sys
from datasets import load_dataset
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM
from trl import DPOConfig, DPOTrainer

base, export, output = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(base)
model = LlamaForCausalLM(LlamaConfig(
    vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=1,
    num_attention_heads=2, num_key_value_heads=2,
))
model.name_or_path = base
trainer = DPOTrainer(
    model=model, ref_model=LlamaForCausalLM(model.config),
    args=DPOConfig(output, use_cpu=True, bf16=False, report_to="none", save_strategy="no",
                   max_steps=1, gradient_checkpointing=False),
    train_dataset=load_dataset("json", data_files=export, split="train", cache_dir=output),
    processing_class=tokenizer,
)
trainer.train()
print("steps", trainer.state.global_step)
"""


@pytest.mark.django_db
def test_trl_trains_on_an_export_as_it_is(base_model: Path, tmp_path: Path) -> None:
    agent = make_agent()
    make_match([agent, make_agent()], [{0: 0, 1: 1.0}, {0: 0.75, 1: 0.5}, {0: 0.1, 1: 1}])
    harvest_matches()
    (tmp_path / "pairs.jsonl").write_bytes(b"".join(export_lines(agent.pk)))
    arguments = [str(base_model), str(tmp_path / "pairs.jsonl"), str(tmp_path / "output")]
    done = subprocess.run(
        [sys.executable, "-c", LOAD_AS_TRL_DOES, *arguments],
        env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "steps 1" in done.stdout
