"""One agent's training on a base that others may share: from the folder to the adapter."""

import hashlib
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from agents.canonical import canonical_json
from training.methods import method_of
from training.methods.examples import Example, Unit
from training.trainers.checkpoint import Position, read_checkpoint, save_checkpoint
from training.trainers.examples import all_steps, read_examples
from training.trainers.job import ADAPTER_FOLDER, STOP_FILE, Job
from training.trainers.model.adapter_files import save_adapter
from training.trainers.model.base_model import FrozenBase
from training.trainers.model.lora import AdapterWeights
from training.trainers.model.packing import Row, pack
from training.trainers.policy import Policy, make_policy, rate_share
from training.trainers.progress import (
    Progress,
    check_converges,
    memory_bytes,
    peak_memory_bytes,
)
from training.trainers.rehearsal import Rehearsal, read_rehearsal, rehearse
from training.trainers.step import Step

MAX_ROW_TOKENS = 1024  # in memory at once; the rest of a step follows in further rows
CHECKPOINT_SECONDS = 20.0
# Settings that change nothing here but the dataset, and came after checkpoints.
MAKE_THE_DATASET = ("practice_answers", "coded_share", "episode_share", "earlier_share", "discount")
DRIFT_SEQUENCES = 16
DRIFT_TOKENS = 32

JSON = dict[str, Any]


class Run:
    """A running job. `work` does it piece by piece, so that several runs can take turns."""

    def __init__(self, folder: Path, job: Job, base: FrozenBase) -> None:
        self.folder = folder
        self.result: JSON | None = None
        self._job, self._config, self._base = job, job.config, base
        self._losses: list[float] = []
        self._tokens = 0
        self._seconds_before = 0.0
        self._started = time.monotonic()
        self._saved_at = time.monotonic()
        self._identity = ""
        self._policy: Policy | None = None
        self._parent: list[list[torch.Tensor]] = []
        self._rehearsal: Rehearsal | None = None

    def asked_to_stop(self) -> str:
        """What the worker asks for: "pause", "cancel" or nothing."""
        try:
            return (self.folder / STOP_FILE).read_text().strip()
        except FileNotFoundError:
            return ""

    def work(self) -> Iterator[None]:
        """Yield after each piece; `result` is set at the end. Raises TrainingStopped."""
        examples = read_examples(
            Path(self._job.dataset_path), self._config, vocabulary=self._base.vocabulary
        )
        rehearsed = self._read_rehearsal()
        steps = all_steps(len(examples), self._config)
        self._identity = self._identify()
        policy = self._policy = make_policy(self._job, self._base)
        self._resume(policy, examples)
        progress = Progress(self.folder, steps_done=len(self._losses))
        if not self._parent:
            progress.write({"stage": "scoring the examples with the parent"})
            units = [unit for example in examples for unit in example.units]
            read: list[torch.Tensor] = []
            for row in pack(units, max_tokens=MAX_ROW_TOKENS):
                read += self._row_logprobs(row, policy.adapter)
                yield
            self._parent = _by_example(read, examples)
        if rehearsed:
            progress.write({"stage": "scoring the rehearsal texts with the base"})
            rows = []
            for one in islice(rehearse(rehearsed, self._base), len(steps)):
                rows.append(one)
                yield
            self._rehearsal = Rehearsal(rows, self._base)
        progress.write({"stage": "training"})
        first, since = len(self._losses), time.monotonic()
        for number in range(first, len(steps)):
            share = rate_share(number, len(steps))
            line = self._step(policy, examples, steps[number], rate=share)
            seconds = time.monotonic() - since
            line["remaining_seconds"] = round(
                seconds / (number + 1 - first) * (len(steps) - number - 1), 1
            )
            progress.write({"step": number + 1, "steps": len(steps)} | line)
            if time.monotonic() - self._saved_at > CHECKPOINT_SECONDS:
                self.checkpoint()
            yield
        progress.write({"stage": "saving"})
        save_adapter(policy.adapter, self.folder / ADAPTER_FOLDER)
        self.result = self._figures(policy, examples)
        progress.close()

    def checkpoint(self) -> None:
        """Save what a later trainer needs to continue from here.

        If the disk is full, the last one stays: a run is not lost because a newer one is missing.
        """
        if self._policy is None or not self._losses:
            return
        position = Position(
            job=self._identity,
            step=len(self._losses),
            tokens=self._tokens,
            seconds=self._seconds,
            losses=tuple(self._losses),
        )
        tensors = self._policy.state()
        tensors["parent"] = torch.cat([each for example in self._parent for each in example])
        try:
            save_checkpoint(self.folder, position=position, tensors=tensors)
        except OSError as error:
            sys.stderr.write(f"{self.folder}: no checkpoint at step {position.step} ({error}).\n")
        self._saved_at = time.monotonic()

    @property
    def _seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._started

    def _identify(self) -> str:
        config = self._config.as_json()
        for name in MAKE_THE_DATASET:
            config.pop(name, None)
        if not self._job.rehearsal_path:
            # Runs from before rehearsal existed continue from their checkpoints.
            del config["rehearsal"]
        digest = hashlib.sha256(canonical_json(config).encode())
        for path in filter(None, (self._job.dataset_path, self._job.rehearsal_path)):
            digest.update(Path(path).read_bytes())
        digest.update(self._job.parent_adapter_path.encode())
        return digest.hexdigest()

    def _read_rehearsal(self) -> list[Unit]:
        if not (self._job.rehearsal_path and self._config.rehearsal):
            return []
        path = Path(self._job.rehearsal_path)
        return read_rehearsal(path, vocabulary=self._base.vocabulary)

    def _resume(self, policy: Policy, examples: Sequence[Example]) -> None:
        found = read_checkpoint(self.folder, job=self._identity)
        if found is None:
            return
        position, tensors = found
        policy.restore(tensors)
        lengths = [unit.answer_tokens for example in examples for unit in example.units]
        self._parent = _by_example(torch.split(tensors["parent"], lengths), examples)
        self._losses = list(position.losses)
        self._tokens, self._seconds_before = position.tokens, position.seconds

    def _step(
        self, policy: Policy, examples: Sequence[Example], chosen: Sequence[int], *, rate: float
    ) -> JSON:
        started, config, method = time.monotonic(), self._config, method_of(self._config)
        step = Step(
            examples=tuple(examples[index] for index in chosen),
            parent=tuple(self._parent[index] for index in chosen),
        )
        policy.adapter.grad.zero_()
        tokens, loss = 0, 0.0
        figures = step.figures
        for row in pack(step.units, max_tokens=MAX_ROW_TOKENS):
            logprobs = self._base.token_logprobs(row, policy.adapter)
            share = method.share(config, step, row, logprobs)
            share.loss.backward()
            tokens += len(row.ids)
            loss += float(share.loss.detach())
            for name, value in share.figures.items():
                figures[name] = figures.get(name, 0.0) + value
        if self._rehearsal:
            number = len(self._losses)
            divergence = self._rehearsal.divergence(number, policy.adapter)
            (config.rehearsal * divergence).backward()
            tokens += self._rehearsal.tokens(number)
            figures["base_kl"] = float(divergence.detach())
        grad_norm = policy.adapter.clip_gradient(length=config.clip)
        self._losses.append(loss)
        kl = figures["kl"] if method.has_kl_guard else 0.0
        check_converges(self._losses, grad_norm=grad_norm, kl=kl)
        policy.move(share=rate)
        self._tokens += tokens
        return {
            "loss": round(loss, 5),
            **{name: round(value, 5) for name, value in figures.items()},
            "grad_norm": round(grad_norm, 4),
            "tokens_per_second": round(tokens / (time.monotonic() - started), 1),
            "memory_bytes": memory_bytes(self._base.device),
            "seconds": round(self._seconds, 1),
        }

    def _logprobs(
        self, units: Sequence[Unit], adapter: AdapterWeights | None
    ) -> list[torch.Tensor]:
        """Log-probabilities of each unit's answer tokens, without gradient."""
        rows = pack(units, max_tokens=MAX_ROW_TOKENS)
        return [unit for row in rows for unit in self._row_logprobs(row, adapter)]

    def _row_logprobs(self, row: Row, adapter: AdapterWeights | None) -> list[torch.Tensor]:
        with torch.no_grad():
            logprobs = self._base.token_logprobs(row, adapter).cpu()
        return list(torch.split(logprobs, list(row.unit_lengths)))

    def _figures(self, policy: Policy, examples: Sequence[Example]) -> JSON:
        return {
            "steps": len(self._losses),
            "loss_first": self._losses[0],
            "loss_last": self._losses[-1],
            "tokens": self._tokens,
            "seconds": round(self._seconds, 2),
            "peak_memory_bytes": peak_memory_bytes(self._base.device),
            "drift": self._drift(policy, examples),
        }

    def _drift(self, policy: Policy, examples: Sequence[Example]) -> list[JSON]:
        """Log-probabilities to compare with those of the server that is to play the adapter."""
        units = [
            Unit(
                unit.prompt_ids,
                (unit.answers[0][:DRIFT_TOKENS],),
                tuple(allowed[:DRIFT_TOKENS] for allowed in unit.allowed[:1]),
            )
            for unit in (example.units[0] for example in examples[:DRIFT_SEQUENCES])
        ]
        adapted, plain = (self._logprobs(units, used) for used in (policy.adapter, None))
        return [
            {
                "prompt_ids": list(unit.prompt_ids),
                "ids": list(unit.answers[0]),
                "logprobs": [round(value, 5) for value in with_adapter.tolist()],
                "base_logprobs": [round(value, 5) for value in without.tolist()],
                **({"allowed_token_ids": unit.allowed[0]} if unit.allowed else {}),
            }
            for unit, with_adapter, without in zip(units, adapted, plain, strict=True)
        ]


def _by_example(
    of_units: Sequence[torch.Tensor], examples: Sequence[Example]
) -> list[list[torch.Tensor]]:
    parts = iter(of_units)
    return [[next(parts) for _ in example.units] for example in examples]
