import asyncio
import dataclasses
from pathlib import Path
from random import Random
from typing import Any, Self, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.inference import InferenceUnavailable, RequestRefused, Sampling, ServedModel
from arena.environments.base import Score, Split, Task
from arena.judging import PanelJudge
from judges.tools import Tools
from training import gate
from training.gate import Contestants, GateInconclusive, decide, draw_tasks, evaluate

PANEL = [PanelJudge(judge_id=1, slug="code", kind="code", config={}, weight=1.0)]
SAMPLING = Sampling(temperature=0.8, top_p=0.95, max_tokens=32)
NO_TOOLS = cast(Tools, None)  # the judge by code needs none
CONTESTANTS = Contestants(
    parent=ServedModel("base", "base", None),
    child=ServedModel("base", "agent-1.v2", Path("/adapters/x")),
    prompt="Answer.",
    sampling=SAMPLING,
)


# --- the decision --------------------------------------------------------------------------


def test_a_clearly_better_child_is_adopted() -> None:
    decision = decide([0.0] * 48 + [1.0] * 16, [1.0] * 32 + [0.0] * 16 + [1.0] * 16, rng=Random(1))
    assert decision.is_adopted
    assert decision.difference == pytest.approx(0.5)
    assert 0.3 < decision.lower_bound < 0.5


def test_a_clearly_worse_child_is_rejected() -> None:
    assert not decide([1.0] * 20 + [0.0] * 44, [0.0] * 64, rng=Random(1)).is_adopted


def test_a_gain_that_may_be_luck_on_few_tasks_is_rejected() -> None:
    decision = decide([1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 1.0, 1.0], rng=Random(1))
    assert decision.difference > 0
    assert not decision.is_adopted


def test_a_small_loss_within_the_margin_is_still_rejected() -> None:
    decision = decide([0.5] * 64, [0.49] * 64, rng=Random(1))
    assert decision.lower_bound > -decision.margin
    assert not decision.is_adopted


def test_a_child_that_changed_nothing_may_play() -> None:
    assert decide([0.3] * 64, [0.3] * 64, rng=Random(1)).is_adopted


def test_no_tasks_are_no_decision() -> None:
    with pytest.raises(ValueError, match="no tasks"):
        decide([], [], rng=Random(1))


def test_the_bound_holds_with_about_the_stated_confidence() -> None:
    """Of children that are truly worse by the margin, at most about 1 - confidence get past."""
    rng = Random(7)
    adopted = 0
    for _ in range(200):
        parent = [float(rng.random() < 0.5) for _ in range(64)]
        child = [float(rng.random() < 0.5 - gate.MARGIN) for _ in range(64)]
        adopted += decide(parent, child, rng=rng).is_adopted
    assert adopted <= 200 * 0.17


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=20))
def test_the_decision_is_reproducible_and_within_bounds(pairs: list[tuple[float, float]]) -> None:
    parent, child = [a for a, _ in pairs], [b for _, b in pairs]
    decision = decide(parent, child, rng=Random(3))
    assert decision == decide(parent, child, rng=Random(3))
    assert -1 <= decision.lower_bound <= decision.difference + 1e-9 <= 1 + 1e-9


# --- the evaluation ------------------------------------------------------------------------


class Letters:
    """Asks for a letter; answers score the share of it."""

    slug, name = "letters", "Letters"

    def __init__(self, kinds: int = 1000) -> None:
        self.kinds = kinds
        self.splits: set[Split] = set()

    def make_task(self, rng: Random, split: Split) -> Task:
        self.splits.add(split)
        number = rng.randrange(self.kinds)
        return Task("letter", f"Task {number}", {"number": number}, split)

    def score(self, task: Task, text: str) -> Score:
        value = text.count("a") / max(1, len(text))
        return Score(value, value == 1.0, ())

    def solve(self, task: Task, rng: Random) -> str:
        return "a"


@dataclasses.dataclass
class ScriptedModel:
    """Stands in for the inference servers: a text for each model name, or an error."""

    answers: dict[str, Any]
    asked: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    faults: int = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def ensure_adapter(self, model: ServedModel) -> None:
        return None

    async def generate(
        self, model: ServedModel, messages: list[dict[str, str]], sampling: Sampling
    ) -> Any:
        assert sampling == SAMPLING
        self.asked.append((model.name, messages[-1]["content"]))
        await asyncio.sleep(0)
        if self.faults:
            self.faults -= 1
            raise InferenceUnavailable("gone")
        answer = self.answers[model.name]
        if isinstance(answer, Exception):
            raise answer
        return type("Generation", (), {"text": answer})


def run_gate(
    monkeypatch: pytest.MonkeyPatch,
    model: ScriptedModel,
    *,
    environment: Letters | None = None,
    **changes: Any,
) -> dict[str, Any]:
    monkeypatch.setattr(gate, "Inference", lambda: model)
    monkeypatch.setattr(gate, "RETRY_PAUSES_SECONDS", (0.0, 0.0))

    async def alive() -> None:
        return None

    values: dict[str, Any] = {
        "environment": environment or Letters(),
        "panel": PANEL,
        "tools": NO_TOOLS,
        "seed": "1",
        "task_count": 16,
        "heartbeat": alive,
    }
    return asyncio.run(evaluate(CONTESTANTS, **(values | changes)))


def test_parent_and_child_answer_the_same_heldout_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    model = ScriptedModel({"base": "abab", "agent-1.v2": "aaaa"})
    environment = Letters()
    figures = run_gate(monkeypatch, model, environment=environment)
    assert environment.splits == {Split.HELDOUT}
    parent = sorted(task for name, task in model.asked if name == "base")
    child = sorted(task for name, task in model.asked if name == "agent-1.v2")
    assert parent == child
    assert len(set(parent)) == 16
    assert figures["tasks"] == 16
    assert figures["parent"] == {"mean": 0.5, "passed": 0}
    assert figures["child"] == {"mean": 1.0, "passed": 16}
    assert figures["difference"] == 0.5
    assert figures["adopted"] is True
    assert figures["examples"][0]["child"] == "aaaa"


def test_the_same_seed_draws_the_same_tasks() -> None:
    drawn = [
        [task.key for task in draw_tasks(Letters(), rng=Random("gate:5"), count=8)]
        for _ in range(2)
    ]
    assert drawn[0] == drawn[1]


def test_an_environment_with_few_tasks_gives_each_once() -> None:
    assert len(draw_tasks(Letters(kinds=3), rng=Random(1), count=64)) == 3


def test_a_passing_fault_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    model = ScriptedModel({"base": "a", "agent-1.v2": "a"}, faults=2)
    assert run_gate(monkeypatch, model)["tasks"] == 16


def test_servers_that_stay_away_are_never_a_rejection(monkeypatch: pytest.MonkeyPatch) -> None:
    model = ScriptedModel({"base": "a", "agent-1.v2": InferenceUnavailable("gone")})
    with pytest.raises(InferenceUnavailable):
        run_gate(monkeypatch, model)


def test_tasks_that_no_model_can_take_decide_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = ScriptedModel({"base": RequestRefused("too long"), "agent-1.v2": "a"})
    with pytest.raises(GateInconclusive, match="Only 0 of 16"):
        run_gate(monkeypatch, model)


def test_judges_that_fail_decide_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = ScriptedModel({"base": "a", "agent-1.v2": "b"})
    with pytest.raises(GateInconclusive):
        run_gate(monkeypatch, model, panel=[])


def test_a_lost_lease_ends_the_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    async def lost() -> None:
        raise InterruptedError

    model = ScriptedModel({"base": "a", "agent-1.v2": "a"})
    with pytest.raises(InterruptedError):
        run_gate(monkeypatch, model, heartbeat=lost)
