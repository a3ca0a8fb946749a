"""The exam of `learn_bench`: the same unseen tasks before and after, and their statistics.

Pure except for `sit`, which asks the inference servers.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from random import Random
from statistics import fmean
from typing import Any

from django.conf import settings

from agents.inference.client import Inference, Sampling, ServedModel
from arena.environments import ENVIRONMENTS
from arena.environments.asking import build_messages, moves_of
from arena.environments.base import Split, Task
from arena.spaces.tallies import difficulties_of
from training.gate.bootstrap import bootstrap, central

UNSEEN_PROMPTS = "unseen prompts"  # of the kinds that matches use
UNSEEN_KINDS = "unseen kinds"  # that no match ever uses
ARITHMETIC = "arithmetic"  # never trained, must not get worse


@dataclass(frozen=True)
class Part:
    """Tasks of one environment; of a game, positions in which some moves are better than others."""

    environment: str
    split: Split
    per_kind: int
    limit: int  # of tasks
    restricts_moves: bool = False  # answers are legal moves, as in the seeded Space


PARTS: Mapping[str, Part] = {
    UNSEEN_PROMPTS: Part("constraints", Split.HELDOUT, 5, 165),
    UNSEEN_KINDS: Part("constraints", Split.UNSEEN, 6, 78),
    ARITHMETIC: Part("arithmetic", Split.HELDOUT, 64, 64),
    # Whether anything carries over to families that the learner never met.
    "sums": Part("reasoning/chain_sum", Split.HELDOUT, 64, 64),
    "Nim moves": Part("nim", Split.HELDOUT, 64, 64),
    "tic-tac-toe moves": Part("tictactoe", Split.HELDOUT, 64, 64, restricts_moves=True),
}
EXAM_SEED = "learn_bench: exam"
MAX_DRAWS = 20_000
# With one answer each, the same model passes anywhere from 34 to 49 of 162 unseen prompts.
ANSWERS, BASE_ANSWERS = 2, 4  # per task; the base's exam serves all learners
CONCURRENT = 64  # requests per inference server: nobody is watching
CONFIDENCE = 0.95
EXAMPLES = 8


@dataclass(frozen=True)
class Reply:
    """One answer of the exam."""

    kind: str
    passed: bool
    tokens: int
    text: str


Answers = dict[str, list[list[Reply]]]  # part -> replies per task, in task order


@dataclass(frozen=True)
class Interval:
    """A figure with its bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def exam_tasks(part: str) -> list[Task]:
    """The part's tasks: always the same, balanced over kinds, each difficulty as often as the others."""
    drawn = PARTS[part]
    environment, difficulties = ENVIRONMENTS[drawn.environment], difficulties_of(drawn.environment)
    rng = Random(f"{EXAM_SEED}: {part}")
    found: dict[str, Task] = {}
    kinds: dict[str, int] = {}
    for number in range(MAX_DRAWS):
        task = environment.practice_task(rng, drawn.split, number % difficulties)
        if task.key not in found and kinds.get(task.kind, 0) < drawn.per_kind:
            found[task.key] = task
            kinds[task.kind] = kinds.get(task.kind, 0) + 1
            if len(found) == drawn.limit:
                break
    return list(found.values())


async def sit(
    model: ServedModel, *, prompt: str, sampling: Sampling, answers: int = ANSWERS
) -> Answers:
    """Put every task of the exam to the model, `answers` times. Raises InferenceUnavailable."""
    slots = asyncio.Semaphore(CONCURRENT * len(settings.VLLM_URLS))

    async def ask(inference: Inference, part: str, task: Task) -> Reply:
        environment = ENVIRONMENTS[PARTS[part].environment]
        choices = moves_of(environment, task) if PARTS[part].restricts_moves else ()
        async with slots:
            answer = await inference.generate(
                model, build_messages(prompt, task), sampling, choices=choices
            )
        return Reply(
            kind=task.kind,
            passed=environment.score(task, answer.text).passed,
            tokens=len(answer.token_ids),
            text=answer.text,
        )

    async def ask_all(inference: Inference, part: str, task: Task) -> list[Reply]:
        return await asyncio.gather(*(ask(inference, part, task) for _ in range(answers)))

    async with Inference() as inference:
        return {
            part: await asyncio.gather(
                *(ask_all(inference, part, task) for task in exam_tasks(part))
            )
            for part in PARTS
        }


def as_json(answers: Answers) -> dict[str, Any]:
    """What a file keeps of an exam: each task's kind, share of passes and mean length; examples."""
    return {
        part: {
            "kinds": [replies[0].kind for replies in tasks],
            "passed": [fmean(reply.passed for reply in replies) for replies in tasks],
            "tokens": [fmean(reply.tokens for reply in replies) for replies in tasks],
            "examples": [
                asdict(reply) for replies in tasks for reply in replies[:1] if reply.passed
            ][:EXAMPLES],
        }
        for part, tasks in answers.items()
    }


def pass_rate(exams: Sequence[Mapping[str, Any]], part: str) -> Interval:
    """The pass rate over all exams' tasks; bootstrap over exams (seeds) and tasks."""
    return _interval(exams, exams, part, lambda after, before: after)


def gain(
    exams: Sequence[Mapping[str, Any]], base: Sequence[Mapping[str, Any]], part: str
) -> Interval:
    """The exams' pass rate as a multiple of the base's on the same tasks (paired)."""
    return _interval(exams, base, part, lambda after, before: after / max(before, 1e-9))


def lead(
    exams: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]], part: str
) -> Interval:
    """The exams' pass rate minus that of as many others, on the same tasks (paired)."""
    return _interval(exams, others, part, lambda after, other: after - other)


def _interval(
    exams: Sequence[Mapping[str, Any]],
    base: Sequence[Mapping[str, Any]],
    part: str,
    figure: Callable[[float, float], float],
) -> Interval:
    """The figure of two mean pass rates, and its interval over exams and tasks."""
    pairs = [
        list(zip(after[part]["passed"], before[part]["passed"], strict=True))
        for after, before in zip(exams, base, strict=True)
    ]

    def of(outcomes: Sequence[tuple[float, float]]) -> float:
        after, before = zip(*outcomes, strict=True)
        return figure(fmean(after), fmean(before))

    drawn = bootstrap(pairs, of, rng=Random(f"{EXAM_SEED}: {part}: bootstrap"))
    low, high = central(drawn, CONFIDENCE)
    return Interval(of([outcome for one in pairs for outcome in one]), low, high)


def kinds_fallen_to_zero(
    exams: Sequence[Mapping[str, Any]], base: Sequence[Mapping[str, Any]], part: str
) -> list[str]:
    """Kinds that the base passes now and then but no exam ever does."""
    before, after = _passes_by_kind(base, part), _passes_by_kind(exams, part)
    return sorted(kind for kind, passes in before.items() if passes and not after[kind])


def mean_tokens(exams: Sequence[Mapping[str, Any]], part: str) -> float:
    """Mean length of the answers."""
    return fmean(tokens for exam in exams for tokens in exam[part]["tokens"])


def _passes_by_kind(exams: Sequence[Mapping[str, Any]], part: str) -> dict[str, float]:
    passes: dict[str, float] = {}
    for exam in exams:
        for kind, passed in zip(exam[part]["kinds"], exam[part]["passed"], strict=True):
            passes[kind] = passes.get(kind, 0) + passed
    return passes
