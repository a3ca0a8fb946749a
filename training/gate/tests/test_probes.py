"""What a new version must not lose elsewhere."""

import dataclasses
from pathlib import Path
from random import Random
from typing import Any

import pytest

from agents.inference.client import ServedModel
from arena.environments.base import Split, Task
from training.gate import sitting
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
from training.gate.words import in_words


class Poems(Letters):
    """Other tasks than its parent's."""

    def make_task(self, rng: Random, split: Split) -> Task:
        task = super().make_task(rng, split)
        return dataclasses.replace(task, prompt=f"Poem {task.prompt}")


def probe_with(monkeypatch: pytest.MonkeyPatch, child: str, **changes: Any) -> dict[str, Any]:
    """The child is better at home; `child` is what it says to the other Space's tasks."""

    def say(name: str, prompt: str) -> str:
        if prompt.startswith("Poem"):
            return "aab" if name == PARENT else child
        return "b" if name == PARENT else "a"

    probe = make_exam(Poems(), slug="poems", name="Tiny poems", **changes)
    return run_gate(monkeypatch, ScriptedModel(say), probes=[probe])


def test_a_skill_lost_elsewhere_refuses_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = probe_with(monkeypatch, child="bbb")
    (probe,) = figures["probes"]
    assert probe == {
        "space": "poems",
        "name": "Tiny poems",
        "tasks": 16,
        "parent": 0.6667,
        "child": 0.0,
        "base": None,
        "difference": -0.6667,
        "upper_bound": -0.6667,
        "confidence": 0.95,
        "bound": 0.1,
        "regressed": True,
        "problem": "",
    }
    assert figures["adopted"] is False
    (refusal,) = figures["refusals"]
    assert refusal.startswith("It is clearly worse than its parent elsewhere, in Tiny poems")


def test_a_skill_kept_elsewhere_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = probe_with(monkeypatch, child="aab")
    assert figures["adopted"] is True
    assert figures["probes"][0]["regressed"] is False
    assert in_words(figures).endswith("Not clearly worse elsewhere: Tiny poems.")


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
    figures = run_gate(monkeypatch, model, probes=[probe], contestants=later)
    (found,) = figures["probes"]
    assert (found["base"], found["parent"], found["child"]) == (1.0, 0.25, 0.25)
    assert (found["difference"], found["regressed"]) == (-0.75, True)
    (refusal,) = figures["refusals"]
    assert refusal.startswith("It is clearly worse than its plain base elsewhere, in Tiny poems")
    assert all(prompt.startswith("Poem") for prompt in model.prompts("base")), "only probes need it"
    poems |= {"agent-1.v1": "aaaa", CHILD: "aaaa"}
    kept = run_gate(monkeypatch, model, probes=[probe], contestants=later)
    assert kept["adopted"] is True


@pytest.mark.parametrize("changes", [{"panel": []}, {"task_count": 7}])
def test_a_probe_that_cannot_be_judged_says_nothing(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    figures = probe_with(monkeypatch, child="bbb", **changes)
    assert figures["adopted"] is True
    assert "could be judged" in figures["probes"][0]["problem"]
    assert figures["probes"][0]["parent"] is None
    assert "elsewhere" not in in_words(figures)


def test_all_exams_share_one_bounded_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    model = always("a", "a")
    run_gate(monkeypatch, model, probes=[make_exam(slug=str(number)) for number in range(6)])
    assert len(model.asked) == 7 * 16 * 2
    assert model.most_at_once <= sitting.CONCURRENT_TASKS * 2
