"""A scripted model before a real gate: environments, exams and contestants of the tests."""

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, Self

import pytest

from agents.inference import patience
from agents.inference.client import InferenceUnavailable, Sampling, ServedModel
from agents.inference.table import ServerTable
from arena.environments.base import Environment, Score, Split, Task
from arena.environments.question import Question
from arena.panels.voting import PanelJudge
from judges.tools import Tools
from training.gate.drift import TrainedSequence, TrainerView
from training.gate.evaluate import evaluate
from training.gate.record import GateRecord
from training.gate.sitting import Contestants, Exam

PANEL = [PanelJudge(judge_id=1, slug="code", kind="code", config={}, weight=1.0)]


async def _unasked(*given: Any, **more: Any) -> Any:
    raise AssertionError("the judge by code needs no tools")


NO_TOOLS = Tools(complete=_unasked, logprob=_unasked, relevance=_unasked)
CONTESTANTS = Contestants(
    parent=ServedModel("base", "base", None),
    child=ServedModel("base", "agent-1.v2", Path("/adapters/x")),
    prompt="Answer.",
    sampling=Sampling(temperature=0.8, top_p=0.95, max_tokens=64),
)
PARENT, CHILD = CONTESTANTS.parent.name, CONTESTANTS.child.name
TRAINED = TrainerView(
    "bf16", [TrainedSequence([1, 2], [3, 4], logprobs=[-1.0, -1.0], base_logprobs=[-2.0, -2.0])]
)
Say = Callable[[str, str], str]  # (model's name, task's prompt) -> answer


class Letters(Question):
    """Asks for a letter; answers score the share of it."""

    slug, name = "letters", "Letters"
    max_task_chars = 40

    def __init__(self, *, tasks: int = 1000, kinds: tuple[str, ...] = ("letter",)) -> None:
        self.tasks = tasks
        self.kinds = kinds
        self.splits: set[Split] = set()

    def make_task(self, rng: Random, split: Split, difficulty: int = 0) -> Task:
        self.splits.add(split)
        number, kind = rng.randrange(self.tasks), rng.choice(self.kinds)
        return Task(kind, f"Task {number} of {kind}", {"number": number}, split)

    def score(self, task: Task, text: str) -> Score:
        value = text.count("a") / max(1, len(text))
        return Score(value, value == 1.0, ())

    def answer(self, task: Task, rng: Random) -> str:
        return "a"


def make_exam(environment: Environment | None = None, **changes: Any) -> Exam:
    values: dict[str, Any] = {
        "slug": "letters",
        "name": "Letters",
        "environment": environment or Letters(),
        "panel": PANEL,
        "task_count": 16,
        "max_tokens": 32,
    }
    return Exam(**(values | changes))


@dataclasses.dataclass
class ScriptedModel:
    """Replaces the inference servers: a scripted answer per model, or an error."""

    say: Say
    asked: list[tuple[str, str, int]] = dataclasses.field(default_factory=list)
    choices: list[tuple[str, ...]] = dataclasses.field(default_factory=list)
    faults: int = 0
    at_once: int = 0
    most_at_once: int = 0
    logprobs: dict[str, float] = dataclasses.field(
        default_factory=lambda: {PARENT: -2.0, CHILD: -1.0}
    )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def ensure_adapter(self, model: ServedModel) -> None:
        return None

    async def score_tokens(
        self,
        model: ServedModel,
        prompt_ids: list[int],
        answer_ids: list[int],
        allowed_token_ids: Sequence[Sequence[int]],
    ) -> list[float]:
        return [self.logprobs[model.name]] * len(answer_ids)

    async def generate(
        self,
        model: ServedModel,
        messages: list[dict[str, str]],
        sampling: Sampling,
        *,
        choices: Sequence[str] = (),
    ) -> Any:
        self.choices.append(tuple(choices))
        prompt = messages[-1]["content"]
        self.asked.append((model.name, prompt, sampling.max_tokens))
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        if self.faults:
            self.faults -= 1
            raise InferenceUnavailable("gone")
        return type("Generation", (), {"text": self.say(model.name, prompt)})

    def prompts(self, name: str) -> list[str]:
        return sorted(prompt for asked, prompt, _ in self.asked if asked == name)


def always(parent: str, child: str) -> ScriptedModel:
    return ScriptedModel(lambda name, _: parent if name == PARENT else child)


def failing(name: str, error: Exception) -> ScriptedModel:
    def say(asked: str, _: str) -> str:
        if asked == name:
            raise error
        return "a"

    return ScriptedModel(say)


def run_gate(
    monkeypatch: pytest.MonkeyPatch, model: ScriptedModel, own: Exam | None = None, **changes: Any
) -> GateRecord:
    monkeypatch.setattr("training.gate.evaluate.Inference", lambda servers: model)
    monkeypatch.setattr(patience, "RETRY_PAUSES_SECONDS", (0.0, 0.0))

    async def alive() -> None:
        return None

    values: dict[str, Any] = {
        "own": own or make_exam(),
        "probes": [],
        "trained": TRAINED,
        "tools": NO_TOOLS,
        "servers": ServerTable(()),
        "rng": Random("gate:1"),
        "heartbeat": alive,
    }
    contestants = changes.pop("contestants", CONTESTANTS)
    return asyncio.run(evaluate(contestants, **(values | changes)))
