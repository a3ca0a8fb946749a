"""The whole of a judge's training: data, the trainer's process, gate, certification, adoption.

It may be killed anywhere: with the same data it goes on from the trainer's checkpoint.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

from django.conf import settings

from agents.canonical import digest_of
from agents.errors import Refused
from arena.environments.base import Split
from arena.panels.asking import completing
from arena.panels.tools import build_tools
from judges.defaults import ASKED_SMALL
from judges.learned.records import record_training, version_in_use
from judges.models import Judge, JudgeKind, LearnedVersion
from judges.scorers.client import LearnedScorer
from judges.tools import Tools
from training.data.dataset import available_threads
from training.judging.attacks import attack
from training.judging.decisions import (
    Accuracy,
    Decision,
    OrderOutcome,
    accuracy_of,
    certified_kinds,
    decide_judge,
)
from training.judging.making import (
    GoldPair,
    NaturalAnswer,
    decided_by_code,
    groups_by_code,
    groups_by_people,
    is_gold,
    natural_answers,
    natural_groups,
    natural_pairs,
    submitted_attacks,
)
from training.judging.scoring import ask_judge, learned_outcomes
from training.judging.store import store_judge
from training.trainers.judging.job import (
    JUDGE_FOLDER,
    JudgedGroup,
    JudgeJob,
    write_groups,
)
from training.worker.child import FollowedJob, result_of, run_trainer

DEFAULT_SLUG = "learned"
MODULE = "training.trainers.judging"
TRAINING_SHARE = 0.6  # of the minutes; the rest is for measuring
GROUPS_A_MINUTE = 43  # of training, measured on 2 cores: docs/decisions/learned-judge.md
MAX_NATURAL_SHARE = 0.7  # of the groups
CODE_GOLD = 60  # groups on held-out prompts
MAX_GOLD_PAIRS = 400  # of each set
ASKED_PAIRS = 60  # that the slower judges beside it are asked
ONLY_PMI = {"form_weight": 0.0, "relevance_weight": 0.0, "pmi_weight": 1.0}

JSON = dict[str, Any]


class AlreadyTraining(Refused):
    """A judge is being trained on this machine."""


@dataclass(frozen=True)
class HeldOutGold:
    """Held-out pairs, by where they come from."""

    natural: list[GoldPair]  # answers of models to prompts of trained kinds
    untrained: list[GoldPair]  # the same of kinds that no training uses
    code: list[GoldPair]  # solutions against verified corruptions
    attacks: list[GoldPair]  # solutions against attacks

    @property
    def sets(self) -> dict[str, list[GoldPair]]:
        return {
            "natural pairs, trained kinds": self.natural,
            "natural pairs, untrained kinds": self.untrained,
            "corruptions by code": self.code,
            "attacks": self.attacks,
        }


@dataclass(frozen=True)
class TrainedJudge:
    """What a training came to."""

    version: LearnedVersion
    decision: Decision
    certified: dict[str, Accuracy]
    # judge -> set of pairs -> accuracy; a sentence if there is none
    table: dict[str, dict[str, Accuracy | str]]
    training: JSON = field(default_factory=dict)
    seconds: float = 0.0

    def as_json(self) -> JSON:
        return {
            "digest": self.version.digest,
            "decision": asdict(self.decision),
            "certified": {kind: asdict(one) for kind, one in self.certified.items()},
            "accuracy": {
                judge: {
                    name: one if isinstance(one, str) else asdict(one) for name, one in row.items()
                }
                for judge, row in self.table.items()
            },
            "training": self.training,
            "seconds": round(self.seconds, 1),
        }


def learned_judge() -> Judge:
    """The judge that is trained; made when it is first asked for, and on no panel by itself."""
    judge, _ = Judge.objects.get_or_create(
        slug=DEFAULT_SLUG,
        defaults={
            "name": "Learned judge",
            "kind": JudgeKind.LEARNED,
            "description": (
                "An adapter over the arena's own base model, trained on answers whose order is "
                "known. It votes only on kinds of tasks for which it is certified."
            ),
            "config": {},
        },
    )
    return judge


def train_judge(
    *,
    minutes: float,
    seed: int,
    recorded: Iterable[NaturalAnswer] = (),
    tell: Callable[[str], None] = lambda line: None,
    beside_others: bool = True,
) -> TrainedJudge:
    """Train a version of the learned judge and let the gate decide about it.

    `recorded` are answers beside those of finished rounds; those to tasks of unseen kinds are only
    measured with. `beside_others`: put other judges' figures on the same pairs into its table. Raises Refused, TrainerDied, TrainerPostponed, CannotJudge.
    """
    with _alone():
        return _train(
            minutes=minutes,
            seed=seed,
            recorded=list(recorded),
            tell=tell,
            beside_others=beside_others,
        )


def _train(
    *,
    minutes: float,
    seed: int,
    recorded: Sequence[NaturalAnswer],
    tell: Callable[[str], None],
    beside_others: bool,
) -> TrainedJudge:
    started, rng = monotonic(), Random(seed)
    judge = learned_judge()
    in_use = version_in_use(judge)
    groups, gold = make_data(minutes=minutes, rng=rng, recorded=recorded)
    tell(f"{len(groups)} groups; {', '.join(f'{len(p)} {n}' for n, p in gold.sets.items())}")
    folder, training = _run_trainer(groups, minutes=minutes, seed=seed, tell=tell)
    digest = store_judge(folder / JUDGE_FOLDER, settings.JUDGE_STORE)
    scorer = LearnedScorer(settings.BASE_MODEL_PATH)
    try:
        new = _outcomes(scorer, settings.JUDGE_STORE / digest, gold)
        old_folder = settings.JUDGE_STORE / in_use.digest if in_use else None
        old = _outcomes(scorer, old_folder, gold) if old_folder and old_folder.is_dir() else None
    finally:
        scorer.close()
    decision = decide_judge(_for_gate(new), _for_gate(old) if old else None, rng=rng)
    certified = certified_kinds(new["natural pairs, trained kinds"])
    table = {"learned judge": _row(new)} | ({"version in use": _row(old)} if old else {})
    if beside_others:
        table |= _others(gold, rng=rng)
    version = record_training(
        judge.pk,
        digest=digest,
        base=settings.ENV.base_model,
        is_adopted=decision.is_adopted,
        reason=decision.reason,
        kinds=list(certified),
        figures={"accuracy": _row_json(table["learned judge"]), "training": training},
    )
    shutil.rmtree(folder, ignore_errors=True)
    return TrainedJudge(version, decision, certified, table, training, monotonic() - started)


def make_data(
    *, minutes: float, rng: Random, recorded: Sequence[NaturalAnswer]
) -> tuple[list[JudgedGroup], HeldOutGold]:
    """What is learned from in these minutes, and what is measured with; no prompt is in both."""
    environments = decided_by_code()
    trained = [one for one in recorded if one.task.split == Split.TRAIN]
    untrained = [one for one in recorded if one.task.split == Split.UNSEEN]
    pairs = natural_pairs([*natural_answers(environments), *trained], rng=rng)
    count = max(8, int(minutes * TRAINING_SHARE * GROUPS_A_MINUTE))
    groups = natural_groups(pair for pair in pairs if not is_gold(pair.task.prompt))
    submitted = submitted_attacks()
    groups += natural_groups(pair for pair in submitted if not is_gold(pair.task.prompt))
    groups += groups_by_people()
    rng.shuffle(groups)
    groups = groups[: int(count * MAX_NATURAL_SHARE)]
    groups += [
        group
        for _, _, group in groups_by_code(environments, count - len(groups), rng=rng, gold=False)
    ]
    rng.shuffle(groups)
    code, attacks = _gold_by_code(environments, rng)
    attacks += [pair for pair in submitted if is_gold(pair.task.prompt)]
    held = [pair for pair in pairs if is_gold(pair.task.prompt)]
    return groups, HeldOutGold(
        natural=held[:MAX_GOLD_PAIRS],
        untrained=natural_pairs(untrained, rng=rng)[:MAX_GOLD_PAIRS],
        code=code,
        attacks=attacks[-MAX_GOLD_PAIRS:],
    )


def _gold_by_code(
    environments: Sequence[str], rng: Random
) -> tuple[list[GoldPair], list[GoldPair]]:
    code: list[GoldPair] = []
    attacks: list[GoldPair] = []
    for slug, task, group in groups_by_code(environments, CODE_GOLD, rng=rng, gold=True):
        code.append(GoldPair(slug, task, group.better, group.worse[0]))
        attacks.append(GoldPair(slug, task, group.better, attack(task.prompt, rng)))
    return code, attacks


def _run_trainer(
    groups: list[JudgedGroup], *, minutes: float, seed: int, tell: Callable[[str], None]
) -> tuple[Path, JSON]:
    """The folder of a trainer that has finished, and its figures."""
    name = digest_of([[group.as_json() for group in groups], seed])[:32]
    store = settings.RUN_STORE / "judges"
    for other in store.iterdir():
        # Of a training that died and was not repeated: this one is the only one at work.
        if other.is_dir() and other.name != name:
            shutil.rmtree(other, ignore_errors=True)
    folder = store / name
    folder.mkdir(exist_ok=True)
    write_groups(folder, groups)
    JudgeJob(
        base_path=str(settings.BASE_MODEL_PATH),
        threads=available_threads(),
        device=settings.ENV.train_device,
        worker_pid=os.getpid(),
        seed=seed,
        max_seconds=minutes * 60 * TRAINING_SHARE,
    ).write(folder)

    def follow(lines: list[JSON]) -> str:
        for line in lines:
            if line.get("step", 1) % 10 == 0:
                tell(f"step {line['step']} of {line['steps']}: loss {line['loss']:.3f}")
        return ""

    returncode = run_trainer([FollowedJob(folder, follow)], module=MODULE)
    return folder, result_of(folder, returncode=returncode)


def _outcomes(
    scorer: LearnedScorer, folder: Path, gold: HeldOutGold
) -> dict[str, list[OrderOutcome]]:
    return {name: learned_outcomes(scorer, folder, pairs) for name, pairs in gold.sets.items()}


def _for_gate(found: dict[str, list[OrderOutcome]]) -> list[OrderOutcome]:
    """All held-out gold but the kinds that it never votes on."""
    return [
        one
        for name, outcomes in found.items()
        if name != "natural pairs, untrained kinds"
        for one in outcomes
    ]


def _row(found: dict[str, list[OrderOutcome]]) -> dict[str, Accuracy | str]:
    return {name: accuracy_of(outcomes) or "no pairs" for name, outcomes in found.items()}


def _row_json(row: dict[str, Accuracy | str]) -> JSON:
    return {name: one if isinstance(one, str) else asdict(one) for name, one in row.items()}


def _others(gold: HeldOutGold, *, rng: Random) -> dict[str, dict[str, Accuracy | str]]:
    """The judges beside it, on the same pairs; those that need vLLM on fewer, if it runs."""
    tools = build_tools()
    url = f"{settings.VLLM_URLS[0].rstrip('/')}/v1"
    asking_base = completing(url, settings.ENV.base_model, key=settings.VLLM_API_KEY)
    of_base = replace(tools, complete=asking_base)
    rows: dict[str, dict[str, Accuracy | str]] = {}
    judges: tuple[tuple[str, JudgeKind, JSON, Tools], ...] = (
        ("verifier", JudgeKind.CODE, {}, tools),
        ("PMI", JudgeKind.POEM, {**ONLY_PMI, "relevance_cut": -1.0}, tools),
        ("base model, zero-shot", JudgeKind.PAIRWISE, {**ASKED_SMALL}, of_base),
    )
    for name, kind, config, used in judges:
        rows[name] = {}
        for of_set, pairs in gold.sets.items():
            asked = pairs if kind == JudgeKind.CODE else pairs[:ASKED_PAIRS]
            found = ask_judge(kind, config, asked, used, rng=rng)
            said = f"it abstained: {found.why}" if found.abstained else "no pairs"
            rows[name][of_set] = accuracy_of(found.outcomes) or said
    return rows


@contextmanager
def _alone() -> Iterator[None]:
    """One training of a judge on this machine at a time; the lock dies with its process."""
    store = settings.RUN_STORE / "judges"
    store.mkdir(parents=True, exist_ok=True)
    with (store / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyTraining("A judge is being trained on this machine already.") from None
        yield
