"""What a new version must not lose elsewhere."""

import dataclasses
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

import pytest

from agents.inference.client import ServedModel
from arena.environments.base import Split, Task
from training.gate import sitting
from training.gate.decisions import ProbeDecision
from training.gate.figures import Earlier, Probe, Probed
from training.gate.record import GateRecord
from training.gate.tests.builders import (
    CHILD,
    CONTESTANTS,
    PARENT,
    Letters,
    ScriptedModel,
    always,
    make_exam,
    run_gate,
)


class Poems(Letters):
    """Other tasks than its parent's."""

    def make_task(self, rng: Random, split: Split, difficulty: int = 0) -> Task:
        task = super().make_task(rng, split, difficulty)
        return dataclasses.replace(task, prompt=f"Poem {task.prompt}")


def probe_with(monkeypatch: pytest.MonkeyPatch, child: str, **changes: Any) -> GateRecord:
    """The child is better at home; `child` is what it says to the other Space's tasks."""

    def say(name: str, prompt: str) -> str:
        if prompt.startswith("Poem"):
            return "aab" if name == PARENT else child
        return "b" if name == PARENT else "a"

    probe = make_exam(Poems(), slug="poems", name="Tiny poems", **changes)
    return run_gate(monkeypatch, ScriptedModel(say), probes=[probe])


def test_a_skill_lost_elsewhere_refuses_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = probe_with(monkeypatch, child="bbb")
    (probe,) = gate.probes
    lost = fmean([2 / 3] * 16)
    assert probe == Probe(
        space="poems",
        name="Tiny poems",
        tasks=16,
        probed=Probed(
            parent=lost,
            child=0.0,
            base=None,
            than=Earlier.PARENT,
            decision=ProbeDecision(
                difference=-lost, upper_bound=-lost, confidence=0.95, bound=0.1, is_regressed=True
            ),
        ),
        problem="",
    )
    assert gate.passed is False
    (refusal,) = gate.refusals
    assert refusal == (
        "It is clearly worse elsewhere: Tiny poems. In Tiny poems it is 66.7 points behind its "
        "parent, and with 95% confidence at least 66.7 points behind on other tasks like those; "
        "10.0 points are allowed."
    )


def test_a_skill_kept_elsewhere_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = probe_with(monkeypatch, child="aab")
    assert gate.passed is True
    assert gate.probes[0].is_regressed is False
    assert gate.in_words().endswith("Not clearly worse elsewhere: Tiny poems.")


def test_a_skill_that_many_versions_lost_bit_by_bit_refuses_the_child(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The parent has little of it left itself."""
    later = dataclasses.replace(
        CONTESTANTS, parent=ServedModel("base", "agent-1.v1", Path("/adapters/w"))
    )
    poems = {"base": "aaaa", "agent-1.v1": "abbb", CHILD: "abbb"}

    def say(name: str, prompt: str) -> str:
        if prompt.startswith("Poem"):
            return poems[name]
        return "a" if name == CHILD else "b"

    model = ScriptedModel(say)
    model.logprobs["agent-1.v1"] = -2.0
    probe = make_exam(Poems(), slug="poems", name="Tiny poems")
    gate = run_gate(monkeypatch, model, probes=[probe], contestants=later)
    (found,) = gate.probes
    assert found.probed is not None
    assert (found.probed.base, found.probed.parent, found.probed.child) == (1.0, 0.25, 0.25)
    assert (found.probed.decision.difference, found.is_regressed) == (-0.75, True)
    (refusal,) = gate.refusals
    assert refusal.startswith("It is clearly worse elsewhere: Tiny poems.")
    assert "behind its plain base" in refusal
    assert all(prompt.startswith("Poem") for prompt in model.prompts("base")), "only probes need it"
    poems |= {"agent-1.v1": "aaaa", CHILD: "aaaa"}
    kept = run_gate(monkeypatch, model, probes=[probe], contestants=later)
    assert kept.passed is True


@pytest.mark.parametrize("changes", [{"panel": []}, {"task_count": 7}])
def test_a_probe_that_cannot_be_judged_says_nothing(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    gate = probe_with(monkeypatch, child="bbb", **changes)
    assert gate.passed is True
    assert "could be judged" in gate.probes[0].problem
    assert gate.probes[0].probed is None
    assert "elsewhere" not in gate.in_words()


def test_all_exams_share_one_bounded_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    model = always("a", "a")
    run_gate(monkeypatch, model, probes=[make_exam(slug=str(number)) for number in range(6)])
    assert len(model.asked) == 7 * 16 * 2
    assert model.most_at_once <= sitting.CONCURRENT_TASKS * 2
