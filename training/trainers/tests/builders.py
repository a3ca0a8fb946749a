"""Small jobs for the real trainer: a random base of two layers, pairs and groups of random ids."""

import functools
import json
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from agents.adapters.checks import WEIGHTS_FILE
from agents.tests.forks import Fork, ForkServer, Program
from training.methods.dpo import DPOConfig
from training.methods.grpo import GRPOConfig
from training.trainers.job import ADAPTER_FOLDER, PROGRESS_FILE, Job, read_result

VOCABULARY = 96
TIMEOUT_SECONDS = 240
SMALL = {"rank": 4, "alpha": 8, "precision": "bf16", "max_length": 64, "epochs": 2}
SMALL_DPO = {**SMALL, "method": "dpo", "pairs_per_step": 3, "learning_rate": 4e-3}
SMALL_GRPO = {**SMALL, "method": "grpo", "groups_per_step": 2, "learning_rate": 4e-3}


def tiny_model(
    *, seed: int = 0, hidden: int = 32, vocabulary: int = VOCABULARY
) -> LlamaForCausalLM:
    """In float32. Its outputs differ enough between tokens to learn from."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.3,
        tie_word_embeddings=True,
    )
    return LlamaForCausalLM(config)


def save_tiny_base(folder: Path, *, hidden: int = 32, vocabulary: int = VOCABULARY) -> Path:
    tiny_model(hidden=hidden, vocabulary=vocabulary).bfloat16().save_pretrained(folder)
    return folder


def some_ids(random_source: random.Random, low: int, high: int) -> list[int]:
    return [random_source.randrange(VOCABULARY) for _ in range(random_source.randint(low, high))]


def some_pairs(count: int, *, seed: int = 0) -> list[dict[str, Any]]:
    """They share a beginning, as one agent's do."""
    source = random.Random(seed)
    shared = some_ids(source, 9, 9)
    return [
        {
            "prompt_ids": shared + some_ids(source, 3, 8),
            "chosen_ids": some_ids(source, 3, 12),
            "rejected_ids": some_ids(source, 3, 12),
            "noise": 0.1,
        }
        for _ in range(count)
    ]


def some_groups(count: int, *, answers: int = 4, seed: int = 0) -> list[dict[str, Any]]:
    """Half of a group's answers have log-probabilities under the policy that gave them."""
    source = random.Random(seed)
    groups = []
    for _ in range(count):
        drawn = [some_ids(source, 3, 12) for _ in range(answers)]
        groups.append(
            {
                "prompt_ids": some_ids(source, 5, 15),
                "answers": [
                    {
                        "ids": ids,
                        "reward": (place + 1) / answers,
                        "logprobs": [-4.5] * len(ids) if place % 2 else None,
                    }
                    for place, ids in enumerate(drawn)
                ],
            }
        )
    return groups


def some_rehearsal(count: int, *, seed: int = 0) -> list[dict[str, Any]]:
    source = random.Random(f"rehearsal:{seed}")
    return [
        {"prompt_ids": some_ids(source, 5, 15), "ids": some_ids(source, 3, 30)}
        for _ in range(count)
    ]


def write_lines(path: Path, lines: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def write_job(
    folder: Path,
    base: Path,
    *,
    lines: Sequence[dict[str, Any]] | None = None,
    parent: Path | None = None,
    threads: int = 1,
    rehearsed: Sequence[dict[str, Any]] | None = None,
    **config: Any,
) -> Path:
    """A folder that the trainer takes; without `lines`, nine pairs or six groups.

    It rehearses 20 answers, which are more than one row, unless told something else.
    """
    folder.mkdir(parents=True)
    rehearsed = some_rehearsal(20) if rehearsed is None else rehearsed
    is_dpo = config.get("method", "dpo") == "dpo"
    if lines is None:
        lines = some_pairs(9) if is_dpo else some_groups(6)
    kind = DPOConfig if is_dpo else GRPOConfig
    chosen = (SMALL_DPO if is_dpo else SMALL_GRPO) | config
    Job(
        base_path=str(base),
        dataset_path=str(write_lines(folder / "dataset.jsonl", lines)),
        parent_adapter_path=str(parent or ""),
        threads=threads,
        device="cpu",
        worker_pid=trainers().pid,
        config=kind.from_json(chosen),
        rehearsal_path=str(write_lines(folder / "rehearsal.jsonl", rehearsed)) if rehearsed else "",
    ).write(folder)
    return folder


@functools.cache
def trainers() -> ForkServer:
    """What trainers start from: it has imported all that they import."""
    # On CPUs everywhere, so that a machine with a GPU runs the same tests.
    variables = {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1", "CUDA_VISIBLE_DEVICES": ""}
    return ForkServer("training.trainers.learner", env=variables)


def start(*folders: Path, program: Program = ("-m", "training.trainers")) -> Fork:
    log = Path(tempfile.mkdtemp(dir=folders[0].parent)) / "trainer.log"
    return trainers().start([*program, *map(str, folders)], log=log)


def train(*folders: Path) -> int:
    """The exit status of a trainer that worked on these folders to its end."""
    process = start(*folders)
    status = process.wait(timeout_seconds=TIMEOUT_SECONDS)
    assert status == 0, process.output[-3000:]
    return status


def lines_of(folder: Path) -> list[str]:
    """Whole lines of the progress: a killed trainer may leave half of one."""
    try:
        content = (folder / PROGRESS_FILE).read_text()
    except FileNotFoundError:
        return []
    return content[: content.rfind("\n") + 1].splitlines()


def steps_of(folder: Path) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, lines_of(folder)) if "step" in line]


def wait_for_step(folder: Path, process: Fork, *, step: int) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while len(steps_of(folder)) < step:
        assert process.poll() is None, process.output[-3000:]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def result_of(folder: Path) -> dict[str, Any]:
    result = read_result(folder)
    assert result is not None
    return result


def weights_of(folder: Path) -> bytes:
    """The bits whose SHA-256 is the adapter's digest."""
    return (folder / ADAPTER_FOLDER / WEIGHTS_FILE).read_bytes()
