"""Answers from adapters on a CPU: our server against vLLM's own, with the same arguments.

The peer is the same vLLM started the standard way; agents.inference.serve says what ours does differently.

python -m benchmarks.serving [--answers 3]

With VLLM_URL, that server alone: answers of the plain base beside those of adapters, `--places` at once.

VLLM_URL=... python -m benchmarks.serving [--places 64] [--json FILE]
"""

import argparse
import asyncio
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "arena.config.settings")
django.setup()

from agents.inference.client import Inference, Sampling, ServedModel
from arena.config.env import Variables
from arena.config.gpu.hardware import hardware
from arena.config.supervisor.local import local_environment
from arena.config.supervisor.machine import tail, this_machine
from arena.config.supervisor.parts import INFERENCE, Options, Part, choose_endpoints, plan
from training.configs.configs import Precision, Targets
from training.trainers.model.adapter_files import save_adapter
from training.trainers.model.base_model import choose_device, load_base
from training.trainers.model.lora import plan_adapter

JSON = dict[str, Any]

PEER = "vllm.entrypoints.openai.api_server"
READY_SECONDS = 1_800.0  # on a busy machine
STOP_SECONDS = 120.0
SAMPLING = Sampling(max_tokens=64)
MESSAGES = [{"role": "user", "content": "Write a long story about rivers and the light on them."}]
ADAPTERS = ("adapter-1", "adapter-2", "adapter-3", "adapter-4")
BASE = "base"
# Concurrent requests: names of models, one per request.
LOADS: Mapping[str, Sequence[str]] = {
    "5 of the base": (BASE,) * 5,
    "1 adapter, 4 of the base": (ADAPTERS[0], *(BASE,) * 4),
    "4 adapters": ADAPTERS,
    "16 of the base": (BASE,) * 16,
    "16 of one adapter": (ADAPTERS[0],) * 16,
    "8 of the base, 8 of one adapter": (BASE,) * 8 + (ADAPTERS[0],) * 8,
}


def make_adapters(folder: Path, base_path: Path) -> None:
    """An adapter of rank 16 on all linear layers, with small weights."""
    base = load_base(base_path, precision=Precision.BF16, device=choose_device("cpu"))
    shape = plan_adapter(Targets.ALL_LINEAR, rank=16, alpha=32, shapes=base.shapes)
    for seed, name in enumerate(ADAPTERS):
        adapter = base.room_for(shape)
        adapter.initialize(seed=seed)
        save_adapter(adapter, folder / name)


@contextmanager
def running(part: Part, *, ready_seconds: float = READY_SECONDS) -> Iterator[None]:
    """The part's process, ready and without a supervisor. Raises AssertionError with its words."""
    with tempfile.NamedTemporaryFile() as log:
        process = subprocess.Popen(
            part.command,
            cwd=part.folder,
            env={**os.environ, **part.variables},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            deadline = time.monotonic() + ready_seconds
            while problem := part.ready():
                assert process.poll() is None, tail(Path(log.name))
                assert time.monotonic() < deadline, problem
                time.sleep(0.5)
            yield
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)


def loads_of(places: int) -> dict[str, Sequence[str]]:
    """Loads of this many places, for one server by itself."""
    return {
        BASE: (BASE,) * places,
        "one adapter": (ADAPTERS[0],) * places,
        "four adapters": tuple(ADAPTERS[place % len(ADAPTERS)] for place in range(places)),
        "half base, half adapters": tuple(
            (BASE, ADAPTERS[place // 2 % len(ADAPTERS)])[place % 2] for place in range(places)
        ),
    }


async def speeds(
    url: str,
    key: str,
    models: Mapping[str, ServedModel],
    answers: int,
    loads: Mapping[str, Sequence[str]] = LOADS,
) -> list[float]:
    """Tokens per second under each load, with `answers` answers for each of its places."""

    async def place(inference: Inference, name: str, count: int) -> int:
        found = [await inference.generate(models[name], MESSAGES, SAMPLING) for _ in range(count)]
        return sum(len(one.token_ids) for one in found)

    async def under(inference: Inference, names: Sequence[str], count: int) -> float:
        started = time.monotonic()
        tokens = sum(await asyncio.gather(*(place(inference, name, count) for name in names)))
        return tokens / (time.monotonic() - started)

    async with Inference([url], api_key=key) as inference:
        await under(inference, [BASE, *ADAPTERS], 1)  # the first requests compile and load
        return [await under(inference, names, answers) for names in loads.values()]


def measure_one(environment: Variables, base_path: Path, *, places: int, answers: int) -> JSON:
    """Tokens per second of the first server that VLLM_URL names."""
    served, loads = environment.base_model, loads_of(places)
    key = environment.vllm_api_key.get_secret_value() if environment.vllm_api_key else ""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_adapters(folder, base_path)
        models = {BASE: ServedModel(served, served, None)} | {
            name: ServedModel(served, name, folder / name) for name in ADAPTERS
        }
        found = asyncio.run(speeds(environment.vllm_url[0], key, models, answers, loads))
    print(this_machine())
    print(f"{served}, tokens per second of {places} answers at once; of the plain base's")
    for load, speed in zip(loads, found, strict=True):
        print(f"{load:32s} {speed:9.1f} {speed / found[0]:6.2f}")
    return {
        "machine": this_machine(),
        "places": places,
        "tokens_per_second": dict(zip(loads, found, strict=True)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, default=3, help="answers for each place of a load")
    parser.add_argument("--places", type=int, default=64, help="answers at once, with VLLM_URL")
    parser.add_argument("--json", type=Path, help="report, with VLLM_URL")
    chosen = parser.parse_args()
    answers = chosen.answers
    environment = local_environment()
    base_path = environment.base_model_path
    base_path = base_path or environment.rlfc_home / "models" / environment.base_model
    if environment.vllm_url:
        report = measure_one(environment, base_path, places=chosen.places, answers=answers)
        if chosen.json:
            chosen.json.write_text(json.dumps(report, indent=1) + "\n")
        return
    options = Options(parts=frozenset({INFERENCE}), free_ports=True)
    endpoints = choose_endpoints(environment, options)
    server = hardware(environment, serves=True, trains=False)
    ours = next(
        part for part in plan(environment, options, endpoints, server) if part.name == INFERENCE
    )
    served = environment.base_model
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_adapters(folder, base_path)
        models = {BASE: ServedModel(served, served, None)} | {
            name: ServedModel(served, name, folder / name) for name in ADAPTERS
        }
        peer = replace(
            ours,
            command=tuple(
                PEER if word == "agents.inference.serve" else word for word in ours.command
            ),
        )
        found = []
        for part in (peer, ours):
            with running(part):
                url, key = endpoints.vllm_urls[0], endpoints.vllm_api_key
                found.append(asyncio.run(speeds(url, key, models, answers)))
    print(this_machine())
    print(f"{served}, tokens per second; vLLM's own server, ours, ratio")
    for load, theirs, own in zip(LOADS, *found, strict=True):
        print(f"{load:32s} {theirs:7.1f} {own:7.1f} {own / theirs:6.2f}")


if __name__ == "__main__":
    main()
