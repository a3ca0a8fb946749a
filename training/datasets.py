"""A run's dataset as files: what the trainer reads, where it comes from, and the manifest.

The trainer gets token ids as they were sampled or served; see training.trainers.job. Exports
are texts, for people and other trainers; see training.provenance.
"""

import hashlib
import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from random import Random
from typing import Any

from django.conf import settings

from agents.errors import Refused
from arena.environments import ENVIRONMENTS
from training.configs import LearningConfig, config_from_json
from training.curation import HeldOutTasks, Limits, PairCandidate, curate_pairs, noise_of
from training.exams import draw_tasks
from training.jobs import unlearned_pairs
from training.models import Pair, TrainingRun
from training.provenance import example, own_answer, provenance
from training.tokens import ChatTokens, read_chat_tokens
from training.trainers.job import PairExample, write_atomically

DATASET_FILE = "dataset.jsonl"
PROVENANCE_FILE = "provenance.jsonl"
MANIFEST_FILE = "manifest.json"
MANIFEST_FORMAT = 2
PACKAGES = ("bitsandbytes", "numpy", "peft", "safetensors", "tokenizers", "torch", "transformers")
EXPORT_CHUNK = 200
# Of a run's places so many pairs are looked at: older ones replace those that are left out.
CANDIDATES_PER_PLACE = 4

JSON = dict[str, Any]


@dataclass(frozen=True)
class _Dataset:
    """Examples with their sources, in one order, and what the manifest says of them."""

    examples: Sequence[PairExample]
    sources: Sequence[JSON]  # one an example
    noun: str  # the manifest's key: "pairs"
    ids: Sequence[int]  # one an example
    facts: JSON


def run_folder(run_id: int) -> Path:
    """Where a run's files are."""
    return Path(settings.RUN_STORE) / str(run_id)


def write_dataset(run: TrainingRun) -> JSON:
    """Write the run's dataset, its provenance and its manifest; return the manifest.

    The same run gives the same files, whoever writes them and however often. Raises Refused
    when there is nothing to learn from.
    """
    folder = run_folder(run.pk)
    folder.mkdir(parents=True, exist_ok=True)
    dataset = _pair_dataset(run)
    lines = [_line(asdict(one)) for one in dataset.examples]
    write_atomically(folder / DATASET_FILE, "".join(lines))
    write_atomically(folder / PROVENANCE_FILE, "".join(_line(one) for one in dataset.sources))
    manifest = _manifest(run, dataset, lines)
    write_atomically(folder / MANIFEST_FILE, json.dumps(manifest, indent=2, sort_keys=True))
    return manifest


def manifest_digest(manifest: Mapping[str, Any]) -> str:
    """SHA-256 of the manifest's canonical JSON."""
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def held_out_tasks(run: TrainingRun) -> HeldOutTasks:
    """The tasks that the gate will ask about this run."""
    tasks = draw_tasks(
        ENVIRONMENTS[run.space.environment],
        rng=Random(f"gate:{run.pk}"),  # as training.gate seeds it
        count=settings.ENV.gate_tasks,
    )
    return HeldOutTasks(task.prompt for task in tasks)


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


def _pair_dataset(run: TrainingRun) -> _Dataset:
    """The newest pairs that pass curation, `run.pair_count` at most, oldest first."""
    config = config_from_json(run.config)
    rows = unlearned_pairs(run.agent_id, run.space_id).filter(id__lte=run.last_pair_id)
    newest = _with_content(rows).order_by("-id")[: CANDIDATES_PER_PLACE * run.pair_count]
    pairs: dict[int, Pair] = {pair.pk: pair for pair in newest}
    if not pairs:
        raise Refused("There are no pairs to learn from.")
    tokens = read_chat_tokens(Path(run.agent.base_model.path))
    candidates = [_candidate(pair, run, tokens) for pair in pairs.values()]
    limits = Limits(
        places=run.pair_count,
        max_length=config.max_length,
        oldest_version=_oldest_version(run, config),
    )
    curated = curate_pairs(candidates, limits=limits, held_out=held_out_tasks(run))
    _refuse_one_sided(curated.kept, curated.left_out)
    kept = [pairs[one.pair_id] for one in curated.kept]
    return _Dataset(
        examples=[
            PairExample(
                prompt_ids=list(one.prompt_ids),
                chosen_ids=list(one.chosen_ids),
                rejected_ids=list(one.rejected_ids),
                noise=noise_of(pair.agreement),
            )
            for one, pair in zip(curated.kept, kept, strict=True)
        ],
        sources=[provenance(pair) for pair in kept],
        noun="pairs",
        ids=[pair.pk for pair in kept],
        facts={"left_out": dict(curated.left_out)},
    )


def _candidate(pair: Pair, run: TrainingRun, tokens: ChatTokens) -> PairCandidate:
    own = own_answer(pair)
    opponent = pair.rejected if own is pair.chosen else pair.chosen
    chosen, rejected = (
        tokens.canonical(one.token_ids, is_finished=one.finish_reason != "length")
        if one.token_ids
        else []
        for one in (pair.chosen, pair.rejected)
    )
    return PairCandidate(
        pair_id=pair.pk,
        task=pair.round.task["prompt"],
        task_key=pair.round.task_key,
        prompt_ids=own.prompt_token_ids,
        chosen_ids=chosen,
        rejected_ids=rejected,
        chosen_text=pair.chosen.text,
        rejected_text=pair.rejected.text,
        own_version=own.version.number,
        opponent_id=opponent.seat.agent_id,
        is_against_house=opponent.seat.agent.owner.is_house,
        is_same_base=opponent.seat.agent.base_model_id == run.agent.base_model_id,
        is_plain=tokens.is_plain(chosen),
    )


def _oldest_version(run: TrainingRun, config: LearningConfig) -> int:
    return run.parent_version.number - config.max_staleness


def _refuse_one_sided(pairs: Sequence[PairCandidate], left_out: Mapping[str, int]) -> None:
    if not pairs:
        why = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in left_out.items())
        raise Refused(f"No pair is left to learn from; left out: {why}.")
    if len(pairs) > 1 and len({tuple(pair.chosen_ids) for pair in pairs}) == 1:
        raise Refused("Every pair prefers one and the same answer: only that would be learned.")


def _with_content(rows: Any) -> Any:
    return rows.select_related(
        "space",
        "round",
        "chosen__seat__agent__owner",
        "chosen__version",
        "rejected__seat__agent__owner",
        "rejected__version",
    ).prefetch_related("round__votes__judge")


def _line(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"


def _manifest(run: TrainingRun, dataset: _Dataset, lines: Sequence[str]) -> JSON:
    parent = run.parent_version
    return {
        "format": MANIFEST_FORMAT,
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
        dataset.noun: [
            {"id": one, "sha256": hashlib.sha256(line.encode()).hexdigest()}
            for one, line in zip(dataset.ids, lines, strict=True)
        ],
        **dataset.facts,
        "dataset_sha256": hashlib.sha256("".join(lines).encode()).hexdigest(),
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
