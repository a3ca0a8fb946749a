"""A run's dataset as files: what the trainer reads, its provenance, and the manifest.

The examples are built by training.data.pair_dataset or training.practice.group_dataset. The trainer
gets token ids as they were sampled or served; see training.methods.examples.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from django.conf import settings
from django.db.models import Model, QuerySet

from agents.canonical import digest_of
from agents.files import write_atomically
from agents.inference import processor
from arena.environments import ENVIRONMENTS
from arena.environments.configured import whole_of
from arena.environments.games.base import Game
from arena.environments.question import Question
from training.data.curation import HeldOutTasks
from training.data.tokens import BaseUnreadable
from training.gate.exams import exam_source
from training.gate.sitting import LOOKS, draw_tasks
from training.methods.examples import ExampleKind, GroupExample, PairExample
from training.models import TrainingRun
from training.runs.spec import RunSpec

DATASET_FILE = "dataset.jsonl"
PROVENANCE_FILE = "provenance.jsonl"
MANIFEST_FILE = "manifest.json"
MANIFEST_FORMAT = 4
PACKAGES = ("bitsandbytes", "numpy", "peft", "safetensors", "tokenizers", "torch", "transformers")

JSON = dict[str, Any]
Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True)
class Dataset:
    """Examples with their sources, in the same order, and their entries in the manifest."""

    kind: ExampleKind
    examples: Sequence[PairExample | GroupExample]
    origins: Sequence[JSON]  # one per example: its provenance
    ids: Sequence[int]  # one per example: its pair's, or its group's round's
    facts: JSON  # further entries of the manifest


def write_dataset(spec: RunSpec, dataset: Dataset, *, rehearsal: Mapping[str, Any]) -> JSON:
    """Write the run's dataset, its provenance and its manifest; return the manifest.

    The same run always gives the same files. `rehearsal` is the manifest's entry on the rehearsal
    texts.
    """
    spec.folder.mkdir(parents=True, exist_ok=True)
    lines = [_line(one.as_json()) for one in dataset.examples]
    write_atomically(spec.folder / DATASET_FILE, "".join(lines))
    write_atomically(spec.folder / PROVENANCE_FILE, "".join(_line(one) for one in dataset.origins))
    manifest = _manifest(spec, dataset, lines, rehearsal=rehearsal)
    write_atomically(spec.folder / MANIFEST_FILE, json.dumps(manifest, indent=2, sort_keys=True))
    return manifest


def manifest_digest(manifest: Mapping[str, Any]) -> str:
    """SHA-256 of the manifest's canonical JSON; up to format 3 that had no spaces."""
    if manifest["format"] > 3:
        return digest_of(manifest)
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def held_out_tasks(run: TrainingRun) -> HeldOutTasks:
    """The tasks of the run's Space that the gate may ask."""
    environment = ENVIRONMENTS[run.space.environment]
    tasks = draw_tasks(
        environment,
        rng=exam_source(run.pk),
        count=LOOKS * settings.ENV.gate_tasks,
        weights=run.exam_weights,
    )
    whole = whole_of(environment)
    if isinstance(whole, Game):
        wordings = (whole.wordings(task) for task in tasks)
        return HeldOutTasks(chain.from_iterable(wordings), by_letter=True)
    is_alike = whole.words_alike if isinstance(whole, Question) else environment.turn_limit > 1
    return HeldOutTasks((task.prompt for task in tasks), by_letter=is_alike)


def json_lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """The rows as JSON Lines, each with its line break."""
    for row in rows:
        yield _line(row).encode()


def by_id(rows: QuerySet[Row], *, page_rows: int) -> Iterator[Row]:
    """The rows in the order of their ids.

    Page by page: a cursor would hold one transaction, and its whole result, for a whole export.
    """
    last_id = 0
    while page := list(rows.filter(id__gt=last_id).order_by("id")[:page_rows]):
        yield from page
        last_id = page[-1].pk


def in_words(left_out: Mapping[str, int]) -> str:
    """A phrase for what was left out, by reason."""
    reasons = [f"{count} {reason.replace('_', ' ')}" for reason, count in left_out.items()]
    return f"left out: {', '.join(reasons) or 'none'}"


# Line ends to str.splitlines, which JSON lets stand in a string as they are.
_OTHER_LINE_ENDS = {ord(one): f"\\u{ord(one):04x}" for one in "\u0085\u2028\u2029"}


def _line(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False).translate(_OTHER_LINE_ENDS) + "\n"


def _manifest(
    spec: RunSpec, dataset: Dataset, lines: Sequence[str], *, rehearsal: Mapping[str, Any]
) -> JSON:
    run, parent = spec.run, spec.parent
    return {
        "format": MANIFEST_FORMAT,
        "run": run.pk,
        "method": run.method,
        "config": spec.config.as_json(),
        "agent": run.agent_id,
        "space": run.space.slug,
        "parent": {
            "version": parent.number,
            "adapter": parent.adapter.digest if parent.adapter else "",
        },
        "base": {
            "served_name": run.agent.base_model.served_name,
            "sha256": base_digest(spec.base_folder),
        },
        dataset.kind.noun: [
            {"id": one, "sha256": hashlib.sha256(line.encode()).hexdigest()}
            for one, line in zip(dataset.ids, lines, strict=True)
        ],
        **dataset.facts,
        "rehearsal": dict(rehearsal),
        "dataset_sha256": hashlib.sha256("".join(lines).encode()).hexdigest(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
        # Adapters match bit for bit only on the same class of machine and thread count.
        "threads": available_threads(),
        "processor": processor.described(),
    }


def available_threads() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0))


def base_digest(folder: Path) -> str:
    """SHA-256 over the base's weights, in the order of their file names."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise BaseUnreadable("The base model's folder holds no weights.")
    stamp = tuple((file.name, file.stat().st_mtime_ns, file.stat().st_size) for file in files)
    return _base_digest(folder, stamp)


@lru_cache(maxsize=8)
def _base_digest(folder: Path, stamp: tuple[tuple[str, int, int], ...]) -> str:
    whole = hashlib.sha256()
    for name, _, _ in stamp:
        with (folder / name).open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()
