"""What is drawn, kept and handed to the trainer for rehearsal, with a scripted base."""

import json
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from agents.inference import InferenceUnavailable
from training import rehearsal
from training.configs import DPOConfig
from training.models import RehearsalText, TrainingRun
from training.rehearsal import (
    ANSWER_SAMPLING,
    DRAWN_BY_RUN,
    PROMPT_SAMPLING,
    REHEARSAL_FILE,
    TRIES,
    prepare_rehearsal,
    rehearsal_facts,
)
from training.tests.builders import (
    END_ID,
    ids_of,
    make_agent,
    make_base,
    make_run,
    make_space,
    prompt_ids_of,
)
from training.tests.scripted import TURN_ID, ScriptedBase, script_base

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def base(monkeypatch: pytest.MonkeyPatch) -> type[ScriptedBase]:
    return script_base(monkeypatch)


def some_run(*, prompt: str = "Answer briefly.") -> TrainingRun:
    make_base()
    return make_run(make_agent(prompt=prompt), make_space(), config=DPOConfig())


def prepare(run: TrainingRun, folder: Path) -> list[dict[str, Any]]:
    async def heartbeat(sentence: str) -> None:
        pass

    async_to_sync(prepare_rehearsal)(run, folder, heartbeat=heartbeat)
    return [json.loads(line) for line in (folder / REHEARSAL_FILE).read_text().splitlines()]


def test_the_base_makes_up_prompts_and_answers_them_as_the_agent_is_asked(tmp_path: Path) -> None:
    lines = prepare(some_run(), tmp_path)
    kept = RehearsalText.objects.values_list("prompt", "answer")
    assert set(kept) == {(f"What is {number}?", "A number.") for number in range(DRAWN_BY_RUN)}
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
        for prompt, _ in kept
    ]
    assert sorted(line["prompt_ids"] for line in lines) == sorted(asked)
    assert all(line["ids"] == [*ids_of("A number."), END_ID] for line in lines)
    assert ScriptedBase.asked.count(("tiny", PROMPT_SAMPLING)) == DRAWN_BY_RUN
    assert ScriptedBase.asked.count(("tiny", ANSWER_SAMPLING)) == DRAWN_BY_RUN


def test_what_is_drawn_is_there_for_all_agents_of_the_base(tmp_path: Path) -> None:
    first = prepare(some_run(), tmp_path / "1")
    second = prepare(some_run(prompt="Be kind."), tmp_path / "2")
    assert (len(first), len(second)) == (DRAWN_BY_RUN, 2 * DRAWN_BY_RUN)
    assert all(ids_of("Be kind.") == line["prompt_ids"][1 : 1 + 8] for line in second)
    assert RehearsalText.objects.count() == 2 * DRAWN_BY_RUN


def test_a_run_that_is_taken_over_rehearses_what_it_began_with(tmp_path: Path) -> None:
    run = some_run()
    first = prepare(run, tmp_path)
    prepare(some_run(), tmp_path / "another")
    ScriptedBase.asked.clear()
    assert prepare(run, tmp_path) == first
    assert ScriptedBase.asked == []


def test_a_base_has_enough_at_some_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsal, "MOST_KEPT", DRAWN_BY_RUN + 2)
    monkeypatch.setattr(rehearsal, "MOST_REHEARSED", 20)
    lines = [prepare(some_run(), tmp_path / str(number)) for number in range(3)]
    assert RehearsalText.objects.count() == DRAWN_BY_RUN + 2
    assert [len(each) for each in lines] == [20, 20, 20]
    assert lines[1] != lines[2], "each run has its own choice and order"


@pytest.mark.parametrize(("words", "is_finished"), [("What is it", False), ("  ", True)])
def test_prompts_without_an_end_or_words_are_not_kept(
    tmp_path: Path, words: str, is_finished: bool
) -> None:
    ScriptedBase.prompts = staticmethod(lambda number: words)
    ScriptedBase.is_finished = is_finished
    assert prepare(some_run(), tmp_path) == []
    assert ScriptedBase.made_up == DRAWN_BY_RUN * TRIES
    assert rehearsal_facts(tmp_path)["texts"] == 0


def test_a_server_that_goes_away_leaves_nothing_half_done(tmp_path: Path) -> None:
    ScriptedBase.prompts = staticmethod(
        lambda number: "What is it?" if number < 5 else InferenceUnavailable("gone")
    )
    with pytest.raises(InferenceUnavailable):
        prepare(some_run(), tmp_path)
    assert not (tmp_path / REHEARSAL_FILE).exists()
    ScriptedBase.reset()
    assert len(prepare(some_run(), tmp_path)) == RehearsalText.objects.count() == DRAWN_BY_RUN
