"""Parent, child and their base on the same held-out tasks: drawing, asking, judging.

Requests carry no seed (see agents.inference.client), so "the same" means tasks, prompt, sampling and
judges; the noise of sampling is left to the bootstrap.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from math import ceil
from random import Random

from agents.inference.client import (
    Inference,
    Message,
    NoNumbers,
    RequestRefused,
    Sampling,
    ServedModel,
    plain_model,
)
from agents.inference.patience import patiently, together
from arena.environments.asking import build_messages, moves_of
from arena.environments.base import Environment, Split, Task
from arena.panels.voting import PanelJudge, judge_answers
from judges.tools import Tools

LOOKS = 2  # at a Space's own tasks: a second, at as many new ones, if the first leaves it open
# Per inference server, over all exams of a gate; two or three answers per task.
CONCURRENT_TASKS = 8
DRAWS_PER_TASK = 16  # enough that rare kinds are drawn too
DRAWS_PER_POSITION = 2  # of a game, which has one kind
DRAWS_PER_TASK_OF_KIND = 200  # to find one of the wanted kind

PARENT, CHILD, BASE = 0, 1, 2


@dataclass(frozen=True)
class Exam:
    """Held-out tasks of one Space, with its panel and its limit on answers."""

    slug: str
    name: str
    environment: Environment
    panel: Sequence[PanelJudge]
    task_count: int
    max_tokens: int
    restricts_moves: bool = False  # answers are legal moves, as in the Space's matches
    difficulty_weights: tuple[float, ...] = ()  # the shares of its tasks; (): all of the easiest


@dataclass(frozen=True)
class Contestants:
    """What is compared: two models that get the same prompt and sampling."""

    parent: ServedModel
    child: ServedModel
    prompt: str
    sampling: Sampling

    @property
    def base(self) -> ServedModel:
        """The base model that both were trained on, without an adapter."""
        return plain_model(self.child.base)

    def models(self, *, beside_base: bool) -> tuple[ServedModel, ...]:
        """Parent and child, plus the base if asked for and different from the parent."""
        with_base = beside_base and self.parent != self.base
        return (self.parent, self.child, *((self.base,) if with_base else ()))


@dataclass(frozen=True)
class Trial:
    """One task answered by all; each tuple is (parent, child), or (parent, child, base)."""

    task: Task
    texts: tuple[str, ...]
    scores: tuple[float, ...]  # the panel's, [0, 1]
    passed: tuple[bool, ...]


def draw_tasks(
    environment: Environment, *, rng: Random, count: int, weights: Sequence[float] = ()
) -> list[Task]:
    """Held-out tasks of different prompts; fewer if a difficulty has no more.

    Difficulties have the shares that `weights` says, also in every beginning of the list; without
    weights, all tasks are of the easiest. Of each difficulty, they come in turn from each kind.
    """
    played = weights[: environment.difficulty_count]  # a package may offer fewer than it did
    shares = [weight / sum(played) for weight in played] if any(played) else [1.0]
    known: set[str] = set()
    waiting: list[list[Task]] = []
    for difficulty, share in enumerate(shares):
        wanted = min(count, ceil(share * count) + 1) if share else 0
        waiting.append(_of_difficulty(environment, difficulty, rng=rng, count=wanted, known=known))
        known |= {task.prompt for task in waiting[-1]}
        waiting[-1].reverse()
    tasks: list[Task] = []
    given = [0] * len(shares)
    while len(tasks) < count and any(waiting):
        left = [difficulty for difficulty, of_it in enumerate(waiting) if of_it]
        # The difficulty that is furthest behind its share.
        due = max(left, key=lambda each: shares[each] * (len(tasks) + 1) - given[each])
        tasks.append(waiting[due].pop())
        given[due] += 1
    return tasks


def _of_difficulty(
    environment: Environment, difficulty: int, *, rng: Random, count: int, known: Collection[str]
) -> list[Task]:
    """Held-out tasks of different prompts that are not in `known`, in turn from each kind."""
    kinds: dict[str, dict[str, Task]] = {}
    per_task = DRAWS_PER_TASK if environment.turn_limit == 1 else DRAWS_PER_POSITION
    for _ in range(count * per_task):
        task = environment.practice_task(rng, Split.HELDOUT, difficulty)
        if task.prompt not in known:
            kinds.setdefault(task.kind, {}).setdefault(task.prompt, task)
    columns = [list(tasks.values()) for tasks in kinds.values()]
    rng.shuffle(columns)  # so that it varies which kinds get one task more
    in_turn = (task for row in zip_longest(*columns) for task in row if task is not None)
    return list(islice(in_turn, count))


def draw_kind(
    exam: Exam, kind: str, *, rng: Random, count: int, known: Collection[str]
) -> list[Task]:
    """Held-out tasks of one kind, of different prompts that are not in `known`; perhaps fewer."""
    environment = exam.environment
    weights = exam.difficulty_weights[: environment.difficulty_count]
    is_mixed = any(weights)
    tasks: dict[str, Task] = {}
    for _ in range(count * DRAWS_PER_TASK_OF_KIND):
        if len(tasks) == count:
            break
        difficulty = rng.choices(range(len(weights)), weights)[0] if is_mixed else 0
        task = environment.practice_task(rng, Split.HELDOUT, difficulty)
        if task.kind == kind and task.prompt not in known:
            tasks.setdefault(task.prompt, task)
    return list(tasks.values())


class Examiner:
    """Puts tasks to all contestants, through one bounded pool for all exams of a gate."""

    def __init__(
        self, inference: Inference, contestants: Contestants, tools: Tools, *, servers: int
    ) -> None:
        self._inference = inference
        self._contestants = contestants
        self._tools = tools
        self.unanswered: Counter[str] = Counter()  # Exam.slug -> tasks without an answer to judge
        self._slots = asyncio.Semaphore(CONCURRENT_TASKS * servers)

    async def examine(
        self, exam: Exam, tasks: Sequence[Task], *, beside_base: bool = False
    ) -> list[Trial]:
        """Trials of the tasks that all could answer and that were judged, in order.

        Raises InferenceUnavailable or AdapterRefused.
        """
        models = self._contestants.models(beside_base=beside_base)
        trials = await together(self._try(exam, task, models) for task in tasks)
        return [trial for trial in trials if trial is not None]

    async def _try(self, exam: Exam, task: Task, models: Sequence[ServedModel]) -> Trial | None:
        """None if the task cannot be put to the models or no judge voted."""
        contestants = self._contestants
        messages = build_messages(contestants.prompt, task)
        sampling = contestants.sampling.within(exam.max_tokens)
        async with self._slots:
            try:
                choices = moves_of(exam.environment, task) if exam.restricts_moves else ()
                texts = await together(
                    self._ask(model, messages, sampling, choices) for model in models
                )
            except RequestRefused:
                # All got the same request, so it says nothing about any of them.
                self.unanswered[exam.slug] += 1
                return None
            _, verdict = await judge_answers(
                exam.panel, exam.environment, task, dict(enumerate(texts)), self._tools
            )
        if verdict is None:
            self.unanswered[exam.slug] += not texts[CHILD].strip()
            return None
        return Trial(
            task=task,
            texts=tuple(texts),
            scores=tuple(verdict.scores[side] for side in range(len(texts))),
            passed=tuple(exam.environment.score(task, text).passed for text in texts),
        )

    async def _ask(
        self,
        model: ServedModel,
        messages: Sequence[Message],
        sampling: Sampling,
        choices: Sequence[str],
    ) -> str:
        """The model's answer; empty if the model computed NaN."""
        try:
            answer = await patiently(
                lambda: self._inference.generate(model, messages, sampling, choices=choices)
            )
        except NoNumbers:
            return ""
        return answer.text
