"""A live match alone and beside a training run at lowest priority: tokens per second of four seats.

The peer is the same match without the run, in the same process and on the same servers.

python -m benchmarks.watchable [--seconds 30]
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "arena.config.settings")
django.setup()

from agents.inference.client import Inference, Sampling, ServedModel
from arena.environments.asking import build_messages
from arena.config.supervisor.local import Local, local_environment
from arena.config.supervisor.machine import this_machine
from arena.config.supervisor.parts import INFERENCE, Options
from arena.environments import ENVIRONMENTS
from arena.environments.base import Split
from training.methods.dpo import DPOConfig
from training.trainers.job import PROGRESS_FILE, Job

SEATS = 4
PAIRS = 400
FIRST_STEP_SECONDS = 300.0


async def match_speed(url: str, key: str, name: str, *, seconds: float, seed: int) -> float:
    """Tokens per second that all seats together receive.

    Each call needs a seed of its own: prompts that the server has read before cost it nothing.
    """
    environment, rng = ENVIRONMENTS["constraints"], Random(seed)
    deadline = time.monotonic() + seconds
    tokens = 0

    async def seat(inference: Inference) -> None:
        nonlocal tokens
        while time.monotonic() < deadline:
            messages = build_messages("Be brief.", environment.make_task(rng, Split.TRAIN))
            answer = await inference.generate(ServedModel(name, name, None), messages, Sampling())
            tokens += len(answer.token_ids)

    started = time.monotonic()
    async with Inference([url], api_key=key) as inference:
        await asyncio.gather(*(seat(inference) for _ in range(SEATS)))
    return tokens / (time.monotonic() - started)


def start_run(folder: Path, base: Path) -> "subprocess.Popen[bytes]":
    """A DPO run on made-up pairs with the lengths of the Constraints Space."""
    rng = Random(0)

    def ids(count: int) -> list[int]:
        return [rng.randrange(100, 40_000) for _ in range(count)]

    dataset = folder / "dataset.jsonl"
    pair = {"prompt_ids": 60, "chosen_ids": 40, "rejected_ids": 40}
    rows = [{key: ids(n) for key, n in pair.items()} | {"noise": 0.0} for _ in range(PAIRS)]
    dataset.write_text("".join(json.dumps(row) + "\n" for row in rows))
    Job(
        base_path=str(base),
        dataset_path=str(dataset),
        parent_adapter_path="",
        threads=len(os.sched_getaffinity(0)),
        device="auto",
        worker_pid=os.getpid(),
        config=DPOConfig(max_pairs=PAIRS),
    ).write(folder)
    command = [sys.executable, "-m", "training.trainers", str(folder)]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)


def steps_of(folder: Path) -> int:
    """Steps that the run has taken so far."""
    try:
        lines = (folder / PROGRESS_FILE).read_text().splitlines()
    except FileNotFoundError:
        return 0
    return sum('"step"' in line for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="for each measurement")
    seconds = parser.parse_args().seconds
    environment = local_environment()
    model = environment.base_model_path or environment.rlfc_home / "models" / environment.base_model
    options = Options(parts=frozenset({INFERENCE}), free_ports=True)
    with Local(environment, options) as local, tempfile.TemporaryDirectory() as name:
        local.wait_ready(lambda statuses: None)
        url, key = local.endpoints.vllm_urls[0], local.endpoints.vllm_api_key
        served = environment.base_model
        # The first requests compile.
        asyncio.run(match_speed(url, key, served, seconds=5.0, seed=0))
        alone = asyncio.run(match_speed(url, key, served, seconds=seconds, seed=1))
        folder = Path(name)
        run = start_run(folder, model)
        try:
            deadline = time.monotonic() + FIRST_STEP_SECONDS
            while steps_of(folder) == 0 and run.poll() is None and time.monotonic() < deadline:
                time.sleep(0.2)
            assert run.poll() is None, (folder / "log").read_text()[-2000:]
            before, started = steps_of(folder), time.monotonic()
            time.sleep(seconds)
            quiet = (steps_of(folder) - before) / (time.monotonic() - started)
            before, started = steps_of(folder), time.monotonic()
            beside = asyncio.run(match_speed(url, key, served, seconds=seconds, seed=2))
            busy = (steps_of(folder) - before) / (time.monotonic() - started)
        finally:
            run.kill()
            run.wait()
    print(this_machine())
    print(f"{SEATS} seats of {served} at once, {seconds:.0f} s each")
    print(f"match alone          {alone:7.1f} tokens per second")
    print(f"match beside a run   {beside:7.1f} tokens per second, ratio {beside / alone:.2f}")
    print(f"run alone            {quiet:7.3f} steps per second")
    print(
        f"run beside the match {busy:7.3f} steps per second, ratio {busy / quiet if quiet else 0:.2f}"
    )


if __name__ == "__main__":
    main()
