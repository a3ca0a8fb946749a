"""Pairs as files: TRL's conversational preference format, the manifest, and the export.

https://huggingface.co/docs/trl/dataset_formats: {"prompt": [messages], "chosen": [message],
"rejected": [message]}. Texts pass through `neutralised`, as they do on their way to vLLM, so
that no answer can speak as another role when the chat template is applied.
"""

import hashlib
import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from django.conf import settings

from agents.errors import Refused
from agents.prompts import neutralised
from training.jobs import unlearned_pairs
from training.models import Pair, TrainingRun
from training.pairs import PairSource
from training.trainers.job import write_atomically

DATASET_FILE = "dataset.jsonl"
PROVENANCE_FILE = "provenance.jsonl"
MANIFEST_FILE = "manifest.json"
PACKAGES = (
    "accelerate",
    "bitsandbytes",
    "datasets",
    "peft",
    "safetensors",
    "torch",
    "transformers",
    "trl",
)
EXPORT_CHUNK = 200

JSON = dict[str, Any]


def run_folder(run_id: int) -> Path:
    """Where a run's files are."""
    return Path(settings.RUN_STORE) / str(run_id)


def write_dataset(run: TrainingRun) -> JSON:
    """Write the run's dataset and manifest; return the manifest.

    The same run gives the same files, whoever writes them and however often. Raises Refused
    when there is nothing to learn from.
    """
    folder = run_folder(run.pk)
    folder.mkdir(parents=True, exist_ok=True)
    pairs = _pairs_of(run)
    if not pairs:
        raise Refused("There are no pairs to learn from.")
    examples = [example(pair) for pair in pairs]
    lines = [_line(one) for one in examples]
    dataset = "".join(lines)
    write_atomically(folder / DATASET_FILE, dataset)
    write_atomically(folder / PROVENANCE_FILE, "".join(_line(provenance(pair)) for pair in pairs))
    manifest = _manifest(run, pairs, lines, dataset)
    write_atomically(folder / MANIFEST_FILE, json.dumps(manifest, indent=2, sort_keys=True))
    return manifest


def manifest_digest(manifest: Mapping[str, Any]) -> str:
    """SHA-256 of the manifest's canonical JSON."""
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def export_pairs(agent_id: int) -> Iterator[JSON]:
    """All pairs of the agent, oldest first, as TRL's DPOTrainer reads them.

    The columns beyond prompt, chosen and rejected say where a pair comes from; their types are
    the same in every row, and the trainer leaves them alone.
    """
    rows = _with_content(Pair.objects.filter(agent_id=agent_id)).order_by("id")
    for pair in rows.iterator(chunk_size=EXPORT_CHUNK):
        yield example(pair) | provenance(pair)


def export_lines(agent_id: int) -> Iterator[bytes]:
    """`export_pairs` as JSON Lines."""
    for pair in export_pairs(agent_id):
        yield _line(pair).encode()


def example(pair: Pair) -> JSON:
    """The pair as the trainer sees it: the prompt is what the agent itself was asked."""
    own = pair.chosen if pair.source == PairSource.OWN_CHOSEN else pair.rejected
    return {
        "prompt": [_message(one["role"], one["content"]) for one in own.messages],
        "chosen": [_message("assistant", pair.chosen.text)],
        "rejected": [_message("assistant", pair.rejected.text)],
    }


def provenance(pair: Pair) -> JSON:
    """Where the pair comes from."""
    seats = {"chosen": pair.chosen.seat, "rejected": pair.rejected.seat}
    return {
        "pair": pair.pk,
        "space": pair.space.slug,
        "match": pair.round.match_id,
        "round": pair.round.number,
        "task": pair.round.task_key,
        "task_kind": pair.round.task_kind,
        "source": pair.source,
        "margin": float(pair.margin),
        "agreement": float(pair.agreement),
        "chosen_version": str(pair.chosen.version),
        "rejected_version": str(pair.rejected.version),
        "chosen_adapter": pair.chosen.adapter_digest,
        "rejected_adapter": pair.rejected.adapter_digest,
        "judge_votes": [
            {
                "judge": vote.judge.slug,
                "weight": float(vote.weight),
                "chosen": float(vote.scores[str(seats["chosen"].index)]),
                "rejected": float(vote.scores[str(seats["rejected"].index)]),
            }
            for vote in pair.round.votes.all()
            if {str(seat.index) for seat in seats.values()} <= vote.scores.keys()
        ],
    }


def _pairs_of(run: TrainingRun) -> list[Pair]:
    """The newest `pair_count` pairs that the run may learn from, oldest first."""
    rows = unlearned_pairs(run.agent_id, run.space_id).filter(id__lte=run.last_pair_id)
    newest = _with_content(rows).order_by("-id")[: run.pair_count]
    return list(newest)[::-1]


def _with_content(rows: Any) -> Any:
    return rows.select_related(
        "space",
        "round",
        "chosen__seat",
        "chosen__version",
        "rejected__seat",
        "rejected__version",
    ).prefetch_related("round__votes__judge")


def _message(role: str, content: str) -> JSON:
    return {"role": role, "content": neutralised(content)}


def _line(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"


def _manifest(run: TrainingRun, pairs: Sequence[Pair], lines: Sequence[str], dataset: str) -> JSON:
    parent = run.parent_version
    return {
        "format": 1,
        "run": run.pk,
        "method": run.method,
        "config": run.config,
        "agent": run.agent_id,
        "space": run.space.slug,
        "parent": {
            "version": parent.number,
            "adapter": parent.adapter.digest if parent.adapter else "",
        },
        "base": {
            "served_name": run.agent.base_model.served_name,
            "sha256": base_digest(Path(run.agent.base_model.path)),
        },
        "pairs": [
            {"id": pair.pk, "sha256": hashlib.sha256(line.encode()).hexdigest()}
            for pair, line in zip(pairs, lines, strict=True)
        ],
        "dataset_sha256": hashlib.sha256(dataset.encode()).hexdigest(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
        # Adapters are equal bit for bit only within one class of machine and thread count.
        "threads": available_threads(),
        "processor": _processor(),
    }


def available_threads() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0))


def base_digest(folder: Path) -> str:
    """SHA-256 over the base's weights, in the order of their file names."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise Refused("The base model's folder holds no weights.")
    stamp = tuple((file.name, file.stat().st_mtime_ns, file.stat().st_size) for file in files)
    return _base_digest(folder, stamp)


@lru_cache(maxsize=8)
def _base_digest(folder: Path, stamp: tuple[tuple[str, int, int], ...]) -> str:
    whole = hashlib.sha256()
    for name, _, _ in stamp:
        with (folder / name).open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{platform.machine()} {names[0]}" if names else platform.machine()
