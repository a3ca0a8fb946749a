"""One training of a judge: from the job's folder to an adapter and a head."""

import hashlib
import json
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from transformers import AutoTokenizer

from agents.canonical import canonical_json
from judges.scorers.encoding import Encoder
from training.configs.configs import Precision, Targets
from training.methods.examples import Unit
from training.trainers.checkpoint import Position, read_checkpoint, save_checkpoint
from training.trainers.examples import steps_of_epoch
from training.trainers.job import (
    CANCEL,
    CHECKPOINT_FOLDER,
    RESULT_FILE,
    STOP_FILE,
    read_result,
    write_result,
)
from training.trainers.judging.head import Head, group_loss
from training.trainers.judging.job import DATASET_FILE, JUDGE_FOLDER, JudgedGroup, JudgeJob
from training.trainers.learner import (
    EXIT_DONE,
    EXIT_TERMINATED,
    NO_FILES,
    OUT_OF_MEMORY,
    is_out_of_memory,
)
from training.trainers.model.adapter_files import save_adapter
from training.trainers.model.base_model import FrozenBase, choose_device, load_base
from training.trainers.model.lora import plan_adapter
from training.trainers.model.packing import Row, pack
from training.trainers.policy import Policy, rate_share
from training.trainers.progress import Progress, check_converges, peak_memory_bytes
from training.trainers.run import CHECKPOINT_SECONDS, MAX_ROW_TOKENS
from training.trainers.stopped import DeviceMissing, TrainingStopped
from training.trainers.watch import keep_freed_memory, step_back

JSON = dict[str, Any]


def learn_judge(folder: Path) -> int:
    """Work on the job until it ends; return the exit status."""
    result = read_result(folder)
    if result and not {"paused", "postponed"} & result.keys():
        return EXIT_DONE
    (folder / RESULT_FILE).unlink(missing_ok=True)
    job = JudgeJob.read(folder)
    step_back()
    keep_freed_memory()
    torch.set_num_threads(job.threads)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    stop = _Stop(folder)
    signal.signal(signal.SIGTERM, stop.terminate)
    try:
        training = JudgeTraining(folder, job)
        for _ in training.work():
            if wish := stop.wish():
                return training.stop(wish)
        write_result(folder, training.figures())
    except TrainingStopped as error:
        write_result(folder, {"error": str(error)})
    except DeviceMissing as error:
        write_result(folder, {"postponed": str(error)})
    except OSError as error:
        write_result(folder, {"postponed": NO_FILES.format(error.strerror)})
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        write_result(folder, {"error": OUT_OF_MEMORY})
    return EXIT_DONE


class _Stop:
    """What may end the work between two steps."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / STOP_FILE
        self._is_terminated = False

    def terminate(self, number: int, frame: FrameType | None) -> None:
        self._is_terminated = True

    def wish(self) -> str:
        if self._is_terminated:
            return "terminate"
        return self._path.read_text().strip() if self._path.exists() else ""


class JudgeTraining:
    """A running training. `work` does it step by step."""

    def __init__(self, folder: Path, job: JudgeJob) -> None:
        self._folder, self._job = folder, job
        self._losses: list[float] = []
        self._tokens = 0
        self._seconds_before = 0.0
        self._started = time.monotonic()
        device = choose_device(job.device)
        self._base = load_base(Path(job.base_path), precision=Precision.BF16, device=device)
        self._units, self._groups = self._read(self._base)
        self._steps: list[Sequence[int]] = [
            step
            for epoch in range(job.epochs)
            for step in steps_of_epoch(
                len(self._units), per_step=job.groups_per_step, seed=job.seed, epoch=epoch
            )
        ]
        plan = plan_adapter(
            Targets.ALL_LINEAR, rank=job.rank, alpha=job.alpha, shapes=self._base.shapes
        )
        adapter = self._base.room_for(plan)
        adapter.initialize(seed=job.seed)
        self._policy = Policy(adapter, learning_rate=job.learning_rate)
        width = self._base.model.config.hidden_size
        self._head = Head(width, learning_rate=job.learning_rate, device=device)

    def work(self) -> Iterator[None]:
        """Yield after each step. Raises TrainingStopped, OSError."""
        self._resume()
        progress = Progress(self._folder, steps_done=len(self._losses))
        progress.write({"stage": "training"})
        saved_at = time.monotonic()
        for number in range(len(self._losses), len(self._steps)):
            if self._losses and self._seconds > self._job.max_seconds:
                break
            progress.write({"step": number + 1, "steps": len(self._steps)} | self._step(number))
            if time.monotonic() - saved_at > CHECKPOINT_SECONDS:
                self._checkpoint()
                saved_at = time.monotonic()
            yield
        progress.write({"stage": "saving"})
        target = self._folder / JUDGE_FOLDER
        save_adapter(self._policy.adapter, target)
        self._head.save(target)
        progress.close()

    def stop(self, wish: str) -> int:
        """Do what was asked for between two steps."""
        if wish == CANCEL:
            shutil.rmtree(self._folder / CHECKPOINT_FOLDER, ignore_errors=True)
            write_result(self._folder, {"cancelled": True})
            return EXIT_DONE
        self._checkpoint()
        if wish == "terminate":
            return EXIT_TERMINATED
        write_result(self._folder, {"paused": True})
        return EXIT_DONE

    def figures(self) -> JSON:
        return {
            "steps": len(self._losses),
            "planned_steps": len(self._steps),
            "groups": len(self._units),
            "loss_first": self._losses[0],
            "loss_last": self._losses[-1],
            "tokens": self._tokens,
            "seconds": round(self._seconds, 2),
            "peak_memory_bytes": peak_memory_bytes(self._base.device),
        }

    @property
    def _seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._started

    def _read(self, base: FrozenBase) -> tuple[list[Unit], list[JudgedGroup]]:
        """Each group as one unit, so that its prompt is computed once for all its answers."""
        try:
            content = (self._folder / DATASET_FILE).read_text()
            groups = [JudgedGroup.from_json(json.loads(line)) for line in content.splitlines()]
            encoder = Encoder(AutoTokenizer.from_pretrained(self._job.base_path))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise TrainingStopped("The groups of this training cannot be read.") from error
        if not groups or not all(group.worse for group in groups):
            raise TrainingStopped("There is nothing to learn from: there are no groups of answers.")
        units = []
        for group in groups:
            answers = [encoder.answer_ids(text) for text in (group.better, *group.worse)]
            # One more token than is read: nothing is computed for the last of an answer.
            doubled = tuple((*ids, ids[-1]) for ids in answers)
            units.append(Unit(encoder.prompt_ids(group.prompt), doubled))
        largest = max(max((*u.prompt_ids, *(max(a) for a in u.answers))) for u in units)
        if largest >= base.vocabulary:
            raise TrainingStopped("The groups contain tokens that the base model does not know.")
        return units, groups

    def _step(self, number: int) -> JSON:
        started, chosen = time.monotonic(), self._steps[number]
        adapter = self._policy.adapter
        adapter.grad.zero_()
        loss, tokens, right = 0.0, 0, 0.0
        for row in pack([self._units[index] for index in chosen], max_tokens=MAX_ROW_TOKENS):
            scores = self._head.scores(self._states(row))
            losses = []
            for place, own in self._by_group(row, scores, chosen):
                group = self._groups[chosen[place]]
                losses.append(
                    group_loss(
                        own,
                        is_absolute=group.is_absolute,
                        absolute_weight=self._job.absolute_weight,
                    )
                )
                right += float((own[0] > own[1:]).float().mean()) / len(chosen)
            share = torch.stack(losses).sum() / len(chosen)
            share.backward()
            loss += float(share.detach())
            tokens += len(row.ids)
        grad_norm = adapter.clip_gradient(length=self._job.clip)
        self._losses.append(loss)
        check_converges(self._losses, grad_norm=grad_norm, kl=0.0)
        rate = rate_share(number, len(self._steps))
        self._policy.move(share=rate)
        self._head.move(share=rate, clip=self._job.clip)
        self._tokens += tokens
        left = len(self._steps) - number - 1
        return {
            "loss": round(loss, 5),
            "accuracy": round(right, 4),
            "grad_norm": round(grad_norm, 4),
            "tokens_per_second": round(tokens / (time.monotonic() - started), 1),
            "seconds": round(self._seconds, 1),
            "remaining_seconds": round(self._seconds / (number + 1) * left, 1),
        }

    def _states(self, row: Row) -> torch.Tensor:
        """[A, width] states of the tokens that end the row's answers."""
        hidden = self._base.hidden_states(row, self._policy.adapter)
        lasts = torch.tensor(row.lengths).cumsum(0) - 1
        return hidden[row.head_of[lasts].to(hidden.device)]

    def _by_group(
        self, row: Row, scores: torch.Tensor, chosen: Sequence[int]
    ) -> Iterator[tuple[int, torch.Tensor]]:
        """For each group of the row its place in the step, and its scores."""
        counts = [len(self._units[chosen[place]].answers) for place in row.units]
        yield from zip(row.units, torch.split(scores, counts), strict=True)

    def _identity(self) -> str:
        values = asdict(self._job)
        for name in ("threads", "device", "worker_pid", "max_seconds"):
            del values[name]
        digest = hashlib.sha256(canonical_json(values).encode())
        digest.update((self._folder / DATASET_FILE).read_bytes())
        return digest.hexdigest()

    def _checkpoint(self) -> None:
        if not self._losses:
            return
        position = Position(
            job=self._identity(),
            step=len(self._losses),
            tokens=self._tokens,
            seconds=self._seconds,
            losses=tuple(self._losses),
        )
        tensors = self._policy.state() | self._head.state()
        try:
            save_checkpoint(self._folder, position=position, tensors=tensors)
        except OSError as error:
            sys.stderr.write(f"{self._folder}: no checkpoint ({error}).\n")

    def _resume(self) -> None:
        found = read_checkpoint(self._folder, job=self._identity())
        if found is None:
            return
        position, tensors = found
        self._policy.restore(tensors)
        self._head.restore(tensors)
        self._losses = list(position.losses)
        self._tokens, self._seconds_before = position.tokens, position.seconds
