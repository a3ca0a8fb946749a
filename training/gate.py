"""Whether a trained version may play: parent and child on held-out tasks, and a bootstrap.

`decide` is pure. `evaluate` asks both versions the same tasks through vLLM, with the agent's own
prompt and sampling, and has the Space's panel judge each pair of answers.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import asdict, dataclass
from random import Random
from statistics import fmean
from typing import Any, TypeVar

from agents.errors import Refused
from agents.inference import (
    Inference,
    InferenceUnavailable,
    Message,
    RequestRefused,
    Sampling,
    ServedModel,
)
from arena.asking import build_messages
from arena.environments.base import Environment, Split, Task
from arena.judging import PanelJudge, judge_answers
from judges.tools import Tools

MARGIN = 0.05  # of the mean score: so much worse is still called "not worse"
CONFIDENCE = 0.9  # one-sided
RESAMPLES = 2000
CONCURRENT_TASKS = 8  # two answers each
MIN_JUDGED_SHARE = 0.75  # of the tasks; with fewer the gate says nothing
MAX_DRAWS_PER_TASK = 50  # an environment may repeat itself
EXAMPLES = 6
EXAMPLE_CHARS = 600

HEARTBEAT_SECONDS = 10.0
RETRY_PAUSES_SECONDS = (1.0, 5.0, 15.0)  # for one request; then the whole gate is put off

PARENT, CHILD = 0, 1

Result = TypeVar("Result")


class GateInconclusive(Refused):
    """Too few tasks could be judged: an infrastructure fault, not the child's."""


@dataclass(frozen=True)
class GateDecision:
    """Mean difference child - parent, its lower confidence bound, and what follows."""

    difference: float
    lower_bound: float
    confidence: float
    margin: float
    is_adopted: bool


@dataclass(frozen=True)
class Contestants:
    """What the gate compares: two models that get the same prompt and sampling."""

    parent: ServedModel
    child: ServedModel
    prompt: str
    sampling: Sampling


@dataclass(frozen=True)
class _Trial:
    task: Task
    texts: tuple[str, str]
    scores: tuple[float, float]
    passed: tuple[bool, bool]


def decide(
    parent_scores: Sequence[float],
    child_scores: Sequence[float],
    *,
    rng: Random,
    margin: float = MARGIN,
    confidence: float = CONFIDENCE,
) -> GateDecision:
    """Paired bootstrap over tasks (Efron & Tibshirani 1993, chapter 16).

    The child is adopted if it is not behind on these tasks and, with the stated one-sided
    confidence, not behind by more than the margin on others like them. Both halves are needed:
    the bound alone would let small losses through, one run after another, and the mean alone
    would adopt on the luck of a few tasks. Scores are in [0, 1], one a task, in task order.
    """
    differences = [
        child - parent for parent, child in zip(parent_scores, child_scores, strict=True)
    ]
    if not differences:
        raise ValueError("no tasks to decide on")
    means = sorted(fmean(rng.choices(differences, k=len(differences))) for _ in range(RESAMPLES))
    lower_bound = means[int((1 - confidence) * RESAMPLES)]
    difference = fmean(differences)
    return GateDecision(
        difference=difference,
        lower_bound=lower_bound,
        confidence=confidence,
        margin=margin,
        is_adopted=difference >= 0 and lower_bound >= -margin,
    )


def draw_tasks(environment: Environment, *, rng: Random, count: int) -> list[Task]:
    """Different held-out tasks; fewer where the environment has no more."""
    tasks: dict[str, Task] = {}
    for _ in range(count * MAX_DRAWS_PER_TASK):
        task = environment.make_task(rng, Split.HELDOUT)
        tasks.setdefault(task.key, task)
        if len(tasks) == count:
            break
    return list(tasks.values())


async def evaluate(
    contestants: Contestants,
    *,
    environment: Environment,
    panel: Sequence[PanelJudge],
    tools: Tools,
    seed: str,
    task_count: int,
    heartbeat: Callable[[], Awaitable[None]],
) -> dict[str, Any]:
    """The gate's figures as JSON, `adopted` among them; see TrainingRun.gate.

    `heartbeat` is awaited every few seconds and may raise to stop. Raises InferenceUnavailable,
    AdapterRefused, or GateInconclusive.
    """
    rng = Random(f"gate:{seed}")
    tasks = draw_tasks(environment, rng=rng, count=task_count)
    slots = asyncio.Semaphore(CONCURRENT_TASKS)

    async def attempt(inference: Inference, task: Task) -> _Trial | None:
        async with slots:
            return await _try(inference, contestants, task, environment, panel, tools)

    async def attempt_all() -> list[_Trial | None]:
        async with Inference() as inference:
            await inference.ensure_adapter(contestants.parent)
            await inference.ensure_adapter(contestants.child)
            return await _together(attempt(inference, task) for task in tasks)

    results = await _beside(_pulse(heartbeat), attempt_all())
    trials = [trial for trial in results if trial is not None]
    if len(trials) < MIN_JUDGED_SHARE * len(tasks):
        raise GateInconclusive(
            f"Only {len(trials)} of {len(tasks)} held-out tasks could be judged."
        )
    decision = decide(
        [trial.scores[PARENT] for trial in trials],
        [trial.scores[CHILD] for trial in trials],
        rng=rng,
    )
    return _figures(trials, decision)


async def _try(
    inference: Inference,
    contestants: Contestants,
    task: Task,
    environment: Environment,
    panel: Sequence[PanelJudge],
    tools: Tools,
) -> _Trial | None:
    """None where the task cannot be put to the models or no judge had an opinion."""
    messages = build_messages(contestants.prompt, task)
    try:
        parent, child = await _together(
            _ask(inference, model, messages, contestants.sampling)
            for model in (contestants.parent, contestants.child)
        )
    except RequestRefused:
        return None  # the same request for both: it says nothing about either
    texts = {PARENT: parent, CHILD: child}
    _, verdict = await judge_answers(panel, environment, task, texts, tools)
    if verdict is None:
        return None
    return _Trial(
        task=task,
        texts=(parent, child),
        scores=(verdict.scores[PARENT], verdict.scores[CHILD]),
        passed=(
            environment.score(task, parent).passed,
            environment.score(task, child).passed,
        ),
    )


def _figures(trials: Sequence[_Trial], decision: GateDecision) -> dict[str, Any]:
    def side(index: int) -> dict[str, Any]:
        return {
            "mean": round(fmean(trial.scores[index] for trial in trials), 4),
            "passed": sum(trial.passed[index] for trial in trials),
        }

    values = asdict(decision)
    adopted = values.pop("is_adopted")
    return {
        "tasks": len(trials),
        "parent": side(PARENT),
        "child": side(CHILD),
        **{name: round(value, 4) for name, value in values.items()},
        "adopted": adopted,
        "examples": [_example(trial) for trial in _telling(trials)],
    }


def _telling(trials: Sequence[_Trial]) -> list[_Trial]:
    """Trials from both ends: the child's clearest gains and losses."""
    ordered = sorted(trials, key=lambda trial: trial.scores[PARENT] - trial.scores[CHILD])
    if len(ordered) <= EXAMPLES:
        return ordered
    return ordered[: EXAMPLES // 2] + ordered[-(EXAMPLES // 2) :]


def _example(trial: _Trial) -> dict[str, Any]:
    return {
        "kind": trial.task.kind,
        "task": trial.task.prompt[:EXAMPLE_CHARS],
        "parent": trial.texts[PARENT][:EXAMPLE_CHARS],
        "child": trial.texts[CHILD][:EXAMPLE_CHARS],
        "parent_score": round(trial.scores[PARENT], 3),
        "child_score": round(trial.scores[CHILD], 3),
    }


async def _ask(
    inference: Inference, model: ServedModel, messages: Sequence[Message], sampling: Sampling
) -> str:
    for pause_seconds in RETRY_PAUSES_SECONDS:
        try:
            return (await inference.generate(model, messages, sampling)).text
        except InferenceUnavailable:
            await asyncio.sleep(pause_seconds)
    return (await inference.generate(model, messages, sampling)).text


async def _pulse(heartbeat: Callable[[], Awaitable[None]]) -> None:
    while True:
        await heartbeat()
        await asyncio.sleep(HEARTBEAT_SECONDS)


async def _beside(
    background: Coroutine[Any, Any, None], work: Coroutine[Any, Any, Result]
) -> Result:
    """The result of `work`; a failure of either ends both and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(background)
            result = await work
            running.cancel()
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return result


async def _together(work: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """All results in order; the first failure ends the others and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]
