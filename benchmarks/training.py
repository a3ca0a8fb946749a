"""Training: our trainer against TRL's, eight agents at once, and how close a step is to the limit.

    python -m benchmarks.training [--pairs 24] [--agents 8] [--alone 8] [--short] [--base FOLDER]
        [--json FILE]

1. The same pairs, hyperparameters and base for our trainer and TRL's DPOTrainer with its defaults,
   both in a precision that the machine multiplies natively, each in its own process. Pairs per second
   from the first forward pass, including the reference policy's, to the last step; loading is
   excluded on both sides. Rehearsal, which TRL lacks, is off in this comparison and then shown
   separately.
2. Eight agents in one process against eight processes one after another, from start to exit. With
   `--alone`, only so many of the eight are timed, and the others are taken to last as long on average.
3. A step's packed row against a plain forward and backward pass of the frozen base over as many
   tokens with as many predictions, without an adapter: nothing can be faster than that.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from arena.config.env import REPOSITORY
from arena.config.supervisor.machine import this_machine
from training.configs.configs import Precision
from training.methods import method_of
from training.methods.dpo import DPOConfig
from training.trainers.model.base_model import choose_device, compute_dtype, load_base
from training.trainers.examples import read_examples
from training.trainers.job import JOB_FILE, PROGRESS_FILE, Job, read_result
from training.trainers.step import Step
from training.trainers.model.packing import Row, pack
from training.trainers.policy import make_policy
from training.trainers.watch import keep_freed_memory

BASE = REPOSITORY / "var" / "models" / "smollm2-135m-instruct"
SYSTEM = (
    "You write for a contest. Keep every rule of the task to the letter, use plain words, do not "
    "explain what you do, and stop when you are done. A short answer that keeps all rules beats a "
    "fine one that breaks one."
)
SUBJECTS = ("the sea", "a market", "old trains", "winter", "a garden", "two brothers")
RULES = (
    "Use only lower case letters.",
    "Do not use a comma.",
    "Use exactly three sentences.",
    "End with the word home.",
)
TRL, OURS_BF16, OURS_NF4 = "TRL's DPOTrainer", "ours, bf16", "ours, nf4"
REPEATS = 7  # of a single step
SMALL_PAIRS = 12  # of an agent's small run


def pairs_of(base: Path, count: int) -> list[dict[str, Any]]:
    """Answers of about forty tokens to one agent's tasks."""
    tokenizer = AutoTokenizer.from_pretrained(base)

    def answer(text: str) -> list[int]:
        return list(tokenizer.encode(f"{text}<|im_end|>", add_special_tokens=False))

    pairs = []
    for number in range(count):
        subject = SUBJECTS[number % len(SUBJECTS)]
        rule = RULES[number // len(SUBJECTS) % len(RULES)]
        asked = f"Write a few sentences about {subject}, number {number}. {rule}"
        prompt = tokenizer.apply_chat_template(
            [{"role": "system", "content": SYSTEM}, {"role": "user", "content": asked}],
            add_generation_prompt=True,
            return_dict=False,
        )
        better = f"i think of {subject} when it is late. it was quiet there and the light was low. "
        worse = f"Certainly! Here are a few sentences about {subject}, as you have asked me to do: "
        pairs.append(
            {
                "prompt_ids": prompt,
                "chosen_ids": answer(better + "we took our things and walked slowly home."),
                "rejected_ids": answer(worse + "It is a truly fascinating, wonderful subject."),
                "noise": 0.0,
            }
        )
    return pairs


def rehearsal_of(pairs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As many texts as a first run samples, with typical lengths."""
    return [
        {"prompt_ids": pair["prompt_ids"], "ids": (pair["chosen_ids"] * 2)[:48]} for pair in pairs
    ]


def write_job(
    folder: Path,
    base: Path,
    pairs: list[dict[str, Any]],
    config: DPOConfig,
    *,
    threads: int,
    rehearsed: list[dict[str, Any]] | None = None,
) -> Path:
    folder.mkdir()
    dataset, rehearsal = folder / "dataset.jsonl", folder / "rehearsal.jsonl"
    dataset.write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    rehearsal.write_text("".join(json.dumps(text) + "\n" for text in rehearsed or ()))
    Job(
        base_path=str(base),
        dataset_path=str(dataset),
        parent_adapter_path="",
        threads=threads,
        device="auto",
        worker_pid=os.getpid(),
        config=config,
        rehearsal_path=str(rehearsal) if rehearsed else "",
    ).write(folder)
    return folder


def run(module: str, *arguments: Path | str) -> float:
    """Seconds from start to exit."""
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        check=True,
        cwd=REPOSITORY,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - started


def ours(folder: Path) -> dict[str, float]:
    run("training.trainers", folder)
    lines = [json.loads(line) for line in (folder / PROGRESS_FILE).read_text().splitlines()]
    result = read_result(folder) or {}
    seconds = next(line["seconds"] for line in reversed(lines) if "step" in line)
    return {"seconds": seconds, "peak_memory_bytes": result["peak_memory_bytes"]}


def trl(*arguments: Path | str) -> dict[str, float]:
    run("benchmarks.training_peer", *arguments)
    figures: dict[str, float] = read_result(Path(arguments[-1])) or {}
    return figures


def beside_trl(
    folder: Path, base: Path, *, count: int, threads: int, short: bool
) -> dict[str, dict[str, float]]:
    pairs = pairs_of(base, count)
    tokens = [
        len(pair["prompt_ids"]) * 2 + len(pair["chosen_ids"]) + len(pair["rejected_ids"])
        for pair in pairs
    ]
    print(f"DPO, {count} pairs of {statistics.mean(tokens):.0f} tokens, 4 per step, one epoch")
    print(f"{'':34}{'pairs/s':>10}{'peak GiB':>10}{'vs TRL':>12}")
    theirs = 0.0
    texts = rehearsal_of(pairs)
    found = {}
    for name, precision, work, rehearsed, is_extra in (
        (TRL, Precision.BF16, trl, None, False),
        (
            "the same, keeping activations",
            Precision.BF16,
            partial(trl, "--keep-activations"),
            None,
            True,
        ),
        (OURS_BF16, Precision.BF16, ours, None, False),
        (OURS_NF4, Precision.NF4, ours, None, False),
        ("ours, bf16, which also rehearses", Precision.BF16, ours, texts, True),
    ):
        if short and is_extra:
            continue
        config = DPOConfig(epochs=1, precision=precision)
        place = folder / name.replace(" ", "-")
        job = write_job(place, base, pairs, config, threads=threads, rehearsed=rehearsed)
        figures = work(job)
        speed = count / figures["seconds"]
        theirs = theirs or speed
        memory = figures["peak_memory_bytes"] / 2**30
        print(f"{name:34}{speed:>10.2f}{memory:>10.2f}{speed / theirs:>12.1f}", flush=True)
        found[name] = {"pairs_per_second": speed, "peak_gib": memory, "times_trl": speed / theirs}
    return found


def at_once(folder: Path, base: Path, *, agents: int, alone: int, threads: int) -> dict[str, float]:
    jobs: dict[str, list[Path]] = {"alone": [], "together": []}
    for agent in range(agents):
        pairs = pairs_of(base, SMALL_PAIRS)
        for way, folders in jobs.items():
            config = DPOConfig(epochs=1, seed=agent)
            place = folder / f"{way}-{agent}"
            folders.append(write_job(place, base, pairs, config, threads=threads))
    print(f"{agents} agents, {SMALL_PAIRS} pairs each, nf4, from start to exit")
    together = run("training.trainers", *jobs["together"])
    timed = [run("training.trainers", job) for job in jobs["alone"][:alone]]
    in_turn = statistics.mean(timed) * agents
    counted = "" if len(timed) == agents else f", from {len(timed)} that were timed"
    print(f"{'one after another':34}{in_turn:>10.1f} s{counted}")
    print(f"{'at once':34}{together:>10.1f} s{in_turn / together:>10.1f} times cheaper")
    return {
        "agents": agents,
        "timed_alone": len(timed),
        "one_after_another_seconds": in_turn,
        "at_once_seconds": together,
        "times_cheaper": in_turn / together,
    }


def beside_the_limit(folder: Path, base_path: Path, *, threads: int) -> dict[str, float]:
    torch.set_num_threads(threads)
    keep_freed_memory()
    device = choose_device("auto")
    config = DPOConfig(precision=Precision.BF16)
    base = load_base(base_path, precision=config.precision, device=device)
    job = write_job(folder / "limit", base_path, pairs_of(base_path, 4), config, threads=threads)
    dataset = job / "dataset.jsonl"
    examples = read_examples(dataset, config, vocabulary=base.vocabulary)
    policy = make_policy(Job.read(job / JOB_FILE), base)
    (row,) = pack([unit for example in examples for unit in example.units], max_tokens=10_000)
    with torch.no_grad():
        logprobs = base.token_logprobs(row, None)
    parent = [[part] for part in torch.split(logprobs, list(row.unit_lengths))]
    step = Step(examples=tuple(examples), parent=parent)

    def our_step() -> None:
        policy.adapter.grad.zero_()
        logprobs = base.token_logprobs(row, policy.adapter)
        method_of(config).share(config, step, row, logprobs).loss.backward()
        policy.adapter.clip_gradient(length=config.clip)
        policy.move(share=1.0)

    plain_step = plain(base_path, row, device)
    tokens = len(row.ids)
    print(f"A step of 4 pairs, packed to {tokens} tokens, {len(row.heads)} of which predict")
    limit, own = alternate(plain_step, our_step, device)
    print(f"{'plain forward and backward':34}{tokens / limit:>10.0f} tokens/s")
    print(f"{'our whole step':34}{tokens / own:>10.0f} tokens/s{limit / own:>10.2f} of the limit")
    return {
        "plain_tokens_per_second": tokens / limit,
        "our_tokens_per_second": tokens / own,
        "of_the_limit": limit / own,
    }


def plain(base_path: Path, row: Row, device: torch.device) -> Callable[[], None]:
    """The base as transformers runs it, on a plain sequence as long as the row."""
    model = AutoModelForCausalLM.from_pretrained(
        base_path, dtype=compute_dtype(device), device_map={"": device}
    )
    model.requires_grad_(False)
    embedded = model.get_input_embeddings()(row.ids[None].to(device)).requires_grad_()
    heads, targets = row.heads.to(device), row.ids[row.heads].to(device)

    def step() -> None:
        hidden = model.base_model(inputs_embeds=embedded, use_cache=False).last_hidden_state
        logits = model.lm_head(hidden[0, heads]).float()
        torch.nn.functional.cross_entropy(logits, targets).backward()

    return step


def alternate(
    first: Callable[[], None], second: Callable[[], None], device: torch.device
) -> tuple[float, float]:
    """The fastest of several turns of each, in seconds; earlier turns warm up later ones."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(REPEATS):
        for work, found in zip((first, second), seconds, strict=True):
            started = time.perf_counter()
            work()
            if device.type == "cuda":
                torch.cuda.synchronize()
            found.append(time.perf_counter() - started)
    return min(seconds[0]), min(seconds[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--pairs", type=int, default=24)
    parser.add_argument("--agents", type=int, default=8)
    parser.add_argument("--alone", type=int, help="of these agents, how many are timed alone")
    parser.add_argument("--short", action="store_true", help="only the rows that are compared")
    parser.add_argument("--base", type=Path, default=BASE)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    threads = os.cpu_count() or 1
    device = choose_device("auto")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "no GPU"
    print(f"{this_machine()}, {name}, {threads} threads, torch {torch.__version__}")
    # Trainers yield to everything else, so the figures mean something only on an idle machine.
    print(f"load average before starting: {os.getloadavg()[0]:.1f}")
    if not options.base.exists():
        command = [sys.executable, "-m", "agents.convert", "--to", str(options.base)]
        subprocess.run(command, check=True, cwd=REPOSITORY)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        report: dict[str, Any] = {"machine": this_machine()}
        count, agents = options.pairs, options.agents
        for name, measured in (
            ("rows", partial(beside_trl, count=count, short=options.short)),
            ("at_once", partial(at_once, agents=agents, alone=options.alone or agents)),
            ("step", beside_the_limit),
        ):
            report[name] = measured(folder, options.base, threads=threads)
            print(flush=True)
            if options.json:  # after each part: what is measured stays if the next one fails
                options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
