"""Does the server play what the trainer trained? The same tokens, scored by both.

    python -m benchmarks.gpu.identity [--precisions bf16 nf4] [--pairs 24] [--json FILE]

The trainer, a process of its own, learns an adapter and writes the log-probabilities of 16 answers under
it and under the plain base. vLLM loads that adapter and scores the same tokens. Both must agree within the
bound that the gate uses (docs/decisions/drift-bounds.md). The peer is the plain base under the adapter's
name, which must be told apart: without it, a probe that always agrees would prove nothing.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "arena.config.settings")
django.setup()

from agents.inference.client import Inference, ServedModel, plain_model
from arena.config.env import REPOSITORY, Variables
from arena.config.supervisor.local import Local, local_environment
from arena.config.supervisor.machine import this_machine
from arena.config.supervisor.parts import INFERENCE, Options
from benchmarks.gpu.proofs import ITSELF, PLAIN_BASE, Proof, table
from benchmarks.training import pairs_of, run, write_job
from training.configs.configs import Precision
from training.data.dataset import available_threads
from training.gate.drift import TrainerView, trainer_view
from training.gate.served import measure_drift
from training.methods.dpo import DPOConfig
from training.trainers.job import ADAPTER_FOLDER, read_result

EXIT_DIFFERS = 1


def base_folder(environment: Variables) -> Path:
    """The folder of the base model; the bundled one is unpacked if it isn't yet."""
    if environment.base_model_path:
        return environment.base_model_path
    folder = environment.rlfc_home / "models" / environment.base_model
    if not (folder / "config.json").exists():
        command = [sys.executable, "-m", "agents.convert", "--to", str(folder)]
        subprocess.run(command, check=True, cwd=REPOSITORY)
    return folder.resolve()


def train(folder: Path, base: Path, precision: Precision, *, pairs: int) -> TrainerView:
    """Let the trainer learn an adapter in `folder`; what it says about its tokens."""
    config = DPOConfig(epochs=1, precision=precision)
    write_job(folder, base, pairs_of(base, pairs), config, threads=available_threads())
    run("training.trainers", folder)
    result = read_result(folder) or {}
    if "steps" not in result:
        sys.exit(f"The trainer made no adapter in {precision}: {result.get('error', result)}")
    return trainer_view(result, precision=precision)


async def prove(
    inference: Inference, served: str, trained: Mapping[Precision, tuple[Path, TrainerView]]
) -> list[Proof]:
    """Ask the server about all adapters at once, so that it has them in one batch."""
    base = plain_model(served)
    asked = {
        (precision, name): measure_drift(inference, child=child, base=base, trained=view)
        for precision, (folder, view) in trained.items()
        for name, child in (
            (ITSELF, ServedModel(served, f"identity-{precision}", folder)),
            (PLAIN_BASE, base),
        )
    }
    drifts = await asyncio.gather(*asked.values())
    if None in drifts:
        sys.exit("The server could score none of the trainer's answers.")
    return [
        Proof(precision, name, drift)
        for (precision, name), drift in zip(asked, drifts, strict=True)
        if drift
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument(
        "--precisions", nargs="+", type=Precision, choices=list(Precision), default=list(Precision)
    )
    parser.add_argument("--pairs", type=int, default=24)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    environment = local_environment()
    base = base_folder(environment)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # Before the server starts, so that both never need the GPU's memory at once.
        trained = {
            precision: (
                folder / precision / ADAPTER_FOLDER,
                train(folder / precision, base, precision, pairs=options.pairs),
            )
            for precision in options.precisions
        }
        with Local(environment, Options(parts=frozenset({INFERENCE}), free_ports=True)) as local:
            local.wait_ready()

            async def ask() -> list[Proof]:
                key = local.endpoints.vllm_api_key
                async with Inference(local.endpoints.vllm_urls, api_key=key) as inference:
                    return await prove(inference, environment.base_model, trained)

            proofs = asyncio.run(ask())
    print(this_machine())
    print(table(proofs))
    holds = all(proof.holds for proof in proofs)
    if options.json:
        content = {
            "machine": this_machine(),
            "base": environment.base_model,
            "holds": holds,
            "proofs": [proof.as_json() for proof in proofs],
        }
        options.json.write_text(json.dumps(content, indent=1) + "\n")
    return 0 if holds else EXIT_DIFFERS


if __name__ == "__main__":
    sys.exit(main())
