"""Several runs in one process: one base in memory, and an adapter and an optimizer for each run.

Runs take turns, one step at a time, and share nothing but the frozen base, so a run's adapter has
the same bits whoever learns beside it. With several processor threads, as many runs step at the same
time, each on its share of the threads: for small products, one thread for each of two runs is faster
than two threads for one.
"""

import contextlib
import json
import shutil
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from training.trainers.job import (
    CANCEL,
    CHECKPOINT_FOLDER,
    JOB_FILE,
    PAUSE,
    PROGRESS_FILE,
    RESULT_FILE,
    Job,
    read_result,
    write_result,
)
from training.trainers.model.base_model import FrozenBase, choose_device, load_base
from training.trainers.run import Run
from training.trainers.stopped import DeviceMissing, TrainingStopped
from training.trainers.watch import keep_freed_memory, step_back

JSON = dict[str, Any]

EXIT_DONE = 0  # every folder has its result: figures or a sentence
EXIT_CRASHED = 1  # a folder has no result; the log shows why
EXIT_TERMINATED = 143  # SIGTERM: what was learned so far is in the checkpoints

OUT_OF_MEMORY = (
    "Training ran out of memory. Try a lower rank, a lower longest sequence or nf4. The parent "
    "version stays."
)
NO_ROOM = "The training machine has too little free memory to hold the base model."
CROWDED = (
    "The GPU ran out of memory while other programs held {others:.1f} of its {total:.1f} GiB. The run "
    "is tried again."
)
NO_FILES = "The trainer could not write its files ({})."
OTHER_BASE = (
    "This run was started with runs on another base, precision or device; start it by itself."
)


def learn(folders: Sequence[Path]) -> int:
    """Work on the jobs in `folders` until they end; return the exit status."""
    jobs = {folder: Job.read(folder / JOB_FILE) for folder in folders if _is_open(folder)}
    if not jobs:
        return EXIT_DONE
    first = next(iter(jobs.values()))
    step_back()
    learner = _Learner(threads=first.threads)
    signal.signal(signal.SIGTERM, learner.terminate)
    keep_freed_memory()
    torch.set_num_threads(first.threads)
    torch.use_deterministic_algorithms(True)
    # Otherwise each new tensor would be filled with NaN before it is written.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    together = {folder: job for folder, job in jobs.items() if _shares(job, first)}
    for folder in jobs.keys() - together.keys():
        write_result(folder, {"error": OTHER_BASE})
    try:
        for folder in together:
            _tell_stage(folder, "loading the base model")
        base = load_base(
            Path(first.base_path),
            precision=first.config.precision,
            device=choose_device(first.device),
        )
    except (TrainingStopped, DeviceMissing) as error:  # nothing that an owner could change
        return _end_all(together, {"postponed": str(error)})
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return _end_all(together, {"postponed": NO_ROOM})
    return learner.run(together, base)


def _end_all(folders: Iterable[Path], result: JSON) -> int:
    for folder in folders:
        write_result(folder, result)
    return EXIT_DONE


def _is_open(folder: Path) -> bool:
    """Whether there is work; starting a job again ends its pause or delay."""
    result = read_result(folder)
    if result and not {"paused", "postponed", "interrupted"} & result.keys():
        return False
    (folder / RESULT_FILE).unlink(missing_ok=True)
    return True


def _shares(job: Job, first: Job) -> bool:
    return (job.base_path, job.config.precision, job.device) == (
        first.base_path,
        first.config.precision,
        first.device,
    )


def _tell_stage(folder: Path, stage: str) -> None:
    with (folder / PROGRESS_FILE).open("a") as file:
        file.write(json.dumps({"stage": stage}) + "\n")


class _Learner:
    def __init__(self, *, threads: int) -> None:
        self._threads = threads
        self._is_shared = False
        self._device = torch.device("cpu")
        self._terminated = threading.Event()
        self._crashed = threading.Event()
        self._waiting: deque[tuple[Run, Iterator[None]]] = deque()

    def terminate(self, number: int, frame: FrameType | None) -> None:
        self._terminated.set()

    def run(self, jobs: Mapping[Path, Job], base: FrozenBase) -> int:
        self._is_shared = len(jobs) > 1
        self._device = base.device
        for folder, job in jobs.items():
            run = Run(folder, job, base)
            self._waiting.append((run, run.work()))
        workers = 1 if base.device.type == "cuda" else min(self._threads, len(jobs))
        with ThreadPoolExecutor(workers) as pool:
            turns = [
                pool.submit(self._take_turns, self._threads // workers) for _ in range(workers)
            ]
        for turn in turns:
            turn.result()
        if self._crashed.is_set():
            return EXIT_CRASHED
        return EXIT_TERMINATED if self._terminated.is_set() else EXIT_DONE

    def _take_turns(self, threads: int) -> None:
        torch.set_num_threads(threads)  # of this Python thread
        while True:
            try:
                run, work = self._waiting.popleft()
            except IndexError:  # other threads hold the remaining runs
                return
            if self._goes_on(run, work):
                self._waiting.append((run, work))

    def _goes_on(self, run: Run, work: Iterator[None]) -> bool:
        """Do one piece of the run's work; return whether more is left."""
        try:
            if self._terminated.is_set():
                run.checkpoint()
                return False
            result = self._result_of_piece(run, work)
            if result is not None:
                write_result(run.folder, result)
            return result is None
        except OSError as error:
            with contextlib.suppress(OSError):
                write_result(run.folder, {"postponed": NO_FILES.format(error.strerror)})
            return self._crash()
        except Exception:  # noqa: BLE001  one run's fault must not affect the others
            return self._crash()

    def _result_of_piece(self, run: Run, work: Iterator[None]) -> JSON | None:
        """The result that ends the run, or None. Raises for faults that are not the run's own."""
        if wish := run.asked_to_stop():
            return self._stop(run, wish)
        try:
            next(work)
        except StopIteration:
            assert run.result is not None
            return run.result
        except TrainingStopped as error:
            return {"error": str(error)}
        except (MemoryError, RuntimeError) as error:
            # Other runs may have used the memory: this one is retried, finally alone.
            if self._is_shared or not is_out_of_memory(error):
                raise
            if crowd := self._crowd():
                return {"interrupted": crowd}
            return {"error": OUT_OF_MEMORY}
        return None

    def _crowd(self) -> str:
        """A sentence if others hold more of the GPU's memory than this process; else empty."""
        if self._device.type != "cuda":
            return ""
        free, total = torch.cuda.mem_get_info(self._device)
        return crowd(free=free, total=total, own=torch.cuda.memory_reserved(self._device))

    def _stop(self, run: Run, wish: str) -> JSON:
        """Do what the worker asked for."""
        if wish == PAUSE:
            run.checkpoint()
            return {"paused": True}
        if wish == CANCEL:
            shutil.rmtree(run.folder / CHECKPOINT_FOLDER, ignore_errors=True)
            return {"cancelled": True}
        raise ValueError(f"the stop file of {run.folder} says {wish!r}")

    def _crash(self) -> bool:
        """End this run without a result after a fault in the program; the other runs continue."""
        traceback.print_exc(file=sys.stderr)
        self._crashed.set()
        return False


def crowd(*, free: int, total: int, own: int) -> str:
    """A sentence if the bytes that others hold are more than our own; else empty."""
    others = total - free - own
    if others <= own:
        return ""
    return CROWDED.format(others=others / 2**30, total=total / 2**30)


def is_out_of_memory(error: BaseException) -> bool:
    text = str(error)
    return isinstance(error, MemoryError) or "can't allocate" in text or "out of memory" in text
