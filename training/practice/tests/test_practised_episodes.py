"""What practised episodes hand to the trainer and to exports."""

from pathlib import Path

import pytest

from arena.tests.playing import add_games
from training.data.curation import HeldOutTasks
from training.methods.examples import GROUPS
from training.models import Rollout
from training.practice import group_dataset
from training.practice.group_dataset import export_groups
from training.practice.tests.builders import (
    ScriptedInference,
    examples_of,
    origins_of,
    practise_now,
)
from training.practice.tests.games import (
    GAMES,
    OWN,
    make_game_run,
    one_then_two,
)
from training.tests.builders import (
    write_groups,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _games(monkeypatch: pytest.MonkeyPatch) -> None:
    add_games(monkeypatch, *GAMES.values())


def test_the_trainer_gets_each_turn_with_its_own_prompt_reward_and_weight(
    fake_base: Path, model: type[ScriptedInference]
) -> None:
    run = make_game_run(fake_base, episode_share=1.0, discount=0.5)
    model.script = staticmethod(one_then_two)
    practise_now(run)
    manifest = write_groups(run)
    assert manifest["sources"].keys() == {"episode"}
    taught = [one for one in examples_of(run) if not one.prompt_ids]
    assert taught
    for example in taught:
        assert {answer.reward for answer in example.answers} == {0.0, 1.0}
        assert all(answer.own_prompt_ids and answer.logprobs for answer in example.answers)
        assert {answer.weight for answer in example.answers} <= {1.0, 0.5, 0.25}
        read = GROUPS.read(example.as_json(), 2048)
        assert read is not None
        assert read.prefers
        undiscounted = [
            scored.advantage / answer.weight
            for scored, answer in zip(read.answers, example.answers, strict=True)
        ]
        assert sum(undiscounted) == pytest.approx(0.0)
        prompts = [list(answer.own_prompt_ids) for answer in example.answers]
        assert [list(unit.prompt_ids) for unit in read.units] == prompts
    told = manifest["episodes"]
    assert told["played"] == sum(one["episodes"] for one in told["against"])
    assert [one["versions"] for one in told["against"]] == [[1]]
    assert 0 <= told["against"][0]["won"] <= 1


def test_openings_whose_episodes_all_ended_alike_teach_nothing(
    fake_base: Path, model: type[ScriptedInference]
) -> None:
    run = make_game_run(fake_base, episode_share=1.0)
    model.script = staticmethod(lambda messages, number: "1")
    practise_now(run)
    with pytest.raises(Exception, match="same scores"):
        write_groups(run)


def test_a_turn_in_a_position_that_the_gate_may_ask_is_left_out(
    fake_base: Path, model: type[ScriptedInference], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_game_run(fake_base, episode_share=1.0)
    model.script = staticmethod(one_then_two)
    practise_now(run)
    asked = HeldOutTasks(["The total is 1. Add 1 or 2."], by_letter=True)
    monkeypatch.setattr(group_dataset, "held_out_tasks", lambda run: asked)
    manifest = write_groups(run)
    assert manifest["answers_left_out"]["held_out"] > 0


def test_an_export_holds_the_turns_of_practised_episodes(
    fake_base: Path, model: type[ScriptedInference]
) -> None:
    run = make_game_run(fake_base, episode_share=1.0)
    model.script = staticmethod(one_then_two)
    practise_now(run)
    lines = list(export_groups(run.agent_id, viewer=run.agent.owner_id))
    assert lines
    for line in lines:
        assert 0 <= line["payoff"] <= 1
        for turn in line["turns"]:
            assert turn["prompt"][0] == {"role": "system", "content": OWN}
            assert turn["source"] == "episode"
            assert {"content", "token_ids", "reward", "weight"} <= turn.keys()


def test_an_illegal_try_is_repeated_once_and_its_tokens_get_the_lowest_reward(
    fake_base: Path, model: type[ScriptedInference]
) -> None:
    run = make_game_run(fake_base, episode_share=1.0)
    model.script = staticmethod(
        lambda messages, number: "2" if len(messages) > 2 or number % 3 else "what?"
    )
    practise_now(run)
    illegal = Rollout.objects.filter(episode__gt=0, text="what?", is_own=True).first()
    assert illegal is not None
    again = Rollout.objects.get(
        round=illegal.round_id, episode=illegal.episode, index=illegal.index + 1
    )
    assert (again.seat, again.text) == (illegal.seat, "2"), "told why, it tries once more"
    write_groups(run)
    answers = [
        (answer, told)
        for example, origin in zip(examples_of(run), origins_of(run), strict=True)
        for answer, told in zip(example.answers, origin["answers"], strict=True)
    ]
    of_illegal = [one for one, _ in answers if one.ids == illegal.token_ids]
    assert of_illegal
    assert {one.reward for one in of_illegal} == {0.0}


def test_an_export_leaves_out_episodes_whose_environment_is_gone(
    fake_base: Path, model: type[ScriptedInference]
) -> None:
    run = make_game_run(fake_base)
    model.script = staticmethod(one_then_two)
    practise_now(run)
    run.space.environment = "plugin/gone"
    run.space.save()
    lines = list(export_groups(run.agent_id, viewer=run.agent.owner_id))
    assert lines
    assert not any("turns" in line for line in lines)
