"""What is sampled, kept and given to the trainer for rehearsal, with a scripted base."""

import json
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from agents.inference.client import InferenceUnavailable, RequestRefused
from agents.models import AgentVersion
from training.methods.dpo import DPOConfig
from training.models import RehearsalText, TrainingRun
from training.practice import rehearsal
from training.practice.rehearsal import (
    ANSWER_SAMPLING,
    DRAWN_BY_RUN,
    PROMPT_SAMPLING,
    TRIES,
    prepare_rehearsal,
    rehearsal_facts,
    rehearsal_file,
)
from training.tests.builders import (
    END_ID,
    ids_of,
    make_agent,
    make_base,
    make_run,
    make_space,
    prompt_ids_of,
    spec_of,
)
from training.tests.scripted import TURN_ID, ScriptedBase, script_base

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def base(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> type[ScriptedBase]:
    settings.RUN_STORE = tmp_path
    return script_base(monkeypatch)


def some_run(*, prompt: str = "Answer briefly.", **config: Any) -> TrainingRun:
    make_base()
    return make_run(make_agent(prompt=prompt), make_space(), config=DPOConfig(**config))


def prepare(run: TrainingRun) -> list[dict[str, Any]]:
    async def heartbeat(sentence: str) -> None:
        pass

    async_to_sync(prepare_rehearsal)(spec_of(run), heartbeat=heartbeat)
    return [json.loads(line) for line in rehearsal_file(spec_of(run)).read_text().splitlines()]


def test_the_base_makes_up_prompts_and_answers_them_as_the_agent_is_asked() -> None:
    lines = prepare(some_run())
    kept = RehearsalText.objects.values_list("prompt", flat=True)
    assert set(kept) == {f"What is {number}?" for number in range(DRAWN_BY_RUN)}
    asked = [
        [
            *prompt_ids_of(
                [
                    {"role": "system", "content": "Answer briefly."},
                    {"role": "user", "content": prompt},
                ]
            ),
            TURN_ID,
        ]
        for prompt in kept
    ]
    assert sorted(line["prompt_ids"] for line in lines) == sorted(asked)
    assert all(line["ids"] == [*ids_of("A number."), END_ID] for line in lines)
    assert ScriptedBase.asked.count(("tiny", PROMPT_SAMPLING)) == DRAWN_BY_RUN
    assert ScriptedBase.asked.count(("tiny", ANSWER_SAMPLING)) == DRAWN_BY_RUN


def test_what_is_drawn_is_there_for_all_agents_of_the_base() -> None:
    first = prepare(some_run())
    second = prepare(some_run(prompt="Be kind."))
    assert (len(first), len(second)) == (DRAWN_BY_RUN, 2 * DRAWN_BY_RUN)
    assert all(ids_of("Be kind.") == line["prompt_ids"][1 : 1 + 8] for line in second)
    assert RehearsalText.objects.count() == 2 * DRAWN_BY_RUN


def test_a_run_that_is_taken_over_rehearses_what_it_began_with() -> None:
    run = some_run()
    first = prepare(run)
    prepare(some_run())
    ScriptedBase.asked.clear()
    assert prepare(run) == first
    assert ScriptedBase.asked == []


def test_a_base_has_enough_at_some_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsal, "MOST_KEPT", DRAWN_BY_RUN + 2)
    monkeypatch.setattr(rehearsal, "MOST_REHEARSED", 20)
    lines = [prepare(some_run()) for _ in range(3)]
    assert RehearsalText.objects.count() == DRAWN_BY_RUN + 2
    assert [len(each) for each in lines] == [20, 20, 20]
    assert lines[1] != lines[2], "each run has its own choice and order"


@pytest.mark.parametrize(("words", "is_finished"), [("What is it", False), ("  ", True)])
def test_prompts_without_an_end_or_words_are_not_kept(words: str, is_finished: bool) -> None:
    ScriptedBase.prompts = staticmethod(lambda number: words)
    ScriptedBase.is_finished = is_finished
    run = some_run()
    assert prepare(run) == []
    assert ScriptedBase.made_up == DRAWN_BY_RUN * TRIES
    assert rehearsal_facts(spec_of(run))["texts"] == 0


def test_a_base_that_refuses_to_make_up_texts_is_no_fault_of_the_agents() -> None:
    ScriptedBase.prompts = staticmethod(lambda number: RequestRefused("too short a window"))
    assert prepare(some_run()) == []


def test_a_server_that_is_away_for_a_moment_is_asked_again() -> None:
    ScriptedBase.prompts = staticmethod(
        lambda number: InferenceUnavailable("gone") if number < 10 else f"What is {number}?"
    )
    assert len(prepare(some_run())) == DRAWN_BY_RUN


def test_a_server_that_stays_away_leaves_nothing_half_done() -> None:
    ScriptedBase.prompts = staticmethod(
        lambda number: "What is it?" if number < 5 else InferenceUnavailable("gone")
    )
    run = some_run()
    with pytest.raises(InferenceUnavailable):
        prepare(run)
    assert not rehearsal_file(spec_of(run)).exists()
    ScriptedBase.reset()
    assert len(prepare(run)) == RehearsalText.objects.count() == DRAWN_BY_RUN


def test_few_texts_are_in_work_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsal, "CONCURRENT_TEXTS", 3)
    prepare(some_run())
    assert ScriptedBase.most_in_flight == 3


def test_a_text_longer_than_the_runs_examples_is_left_out() -> None:
    ScriptedBase.prompts = staticmethod(lambda number: "a" * (10 if number % 2 else 100))
    assert len(prepare(some_run(max_length=100))) == DRAWN_BY_RUN // 2


def test_the_first_of_two_workers_decides_what_is_rehearsed() -> None:
    run = some_run()
    path = rehearsal_file(spec_of(run))
    others = '{"prompt_ids": [1], "ids": [2]}\n'

    def wake_late(number: int) -> str:
        path.parent.mkdir(exist_ok=True)
        path.write_text(others)
        return f"What is {number}?"

    ScriptedBase.prompts = staticmethod(wake_late)
    assert prepare(run) == [json.loads(others)]
    assert [one.name for one in path.parent.iterdir()] == ["rehearsal-v1.jsonl"]


def test_a_run_that_follows_its_agents_new_prompt_rehearses_under_it() -> None:
    run = some_run()
    prepare(run)
    run.parent_version = AgentVersion.objects.create(
        agent=run.agent, number=2, prompt="Be kind.", sampling=run.parent_version.sampling
    )
    run.save()
    assert all(line["prompt_ids"][1:9] == ids_of("Be kind.") for line in prepare(run))
