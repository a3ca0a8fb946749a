"""What practice hands to the trainer and to exports: groups, their rewards and their sources."""

from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents.errors import Refused
from agents.models import Agent
from arena.models import Completion
from training.methods.grpo import GRPOConfig
from training.practice import group_dataset
from training.practice.group_dataset import export_groups
from training.practice.tests.builders import (
    BAD,
    GOOD,
    ScriptedInference,
    examples_of,
    make_grpo_run,
    origins_of,
    practise_now,
)
from training.tests.builders import (
    END_ID,
    make_agent,
    make_run,
    write_groups,
)

pytestmark = pytest.mark.django_db


def test_the_trainer_gets_own_answers_with_their_logprobs_and_others_without(
    fake_base: Path,
) -> None:
    run = make_grpo_run(fake_base, rounds=1)
    practise_now(run)
    manifest = write_groups(run)
    (group,) = examples_of(run)
    assert [answer.logprobs is None for answer in group.answers] == [False, False, True, True]
    own = Completion.objects.get(seat__agent=run.agent)
    assert group.prompt_ids == own.prompt_token_ids
    assert group.answers[0].ids == own.token_ids
    assert group.answers[0].logprobs == own.logprobs
    assert all(answer.ids[-1] == END_ID for answer in group.answers), "the Solver's, too"
    assert manifest["share"] == 2
    assert manifest["sources"] == {"played": 1, "practised": 1, "shared": 2}
    assert [one["id"] for one in manifest["groups"]] == [own.round_id]


def test_provenance_names_whose_answer_each_is(fake_base: Path) -> None:
    run = make_grpo_run(fake_base, rounds=1)
    practise_now(run)
    write_groups(run)
    (origin,) = origins_of(run)
    played, practised, *shared = origin["answers"]
    assert played["source"] == "played"
    assert (practised["source"], practised["practised_for"]) == ("practised", run.pk)
    assert practised["version"] == str(run.parent_version)
    assert {one["agent"] for one in shared} == set(
        Agent.objects.exclude(id=run.agent_id).values_list("id", flat=True)
    )
    assert {one["match"] for one in origin["answers"]} == {origin["match"]}


def test_groups_of_one_score_are_left_out_and_alone_refused(
    fake_base: Path, model: type[ScriptedInference]
) -> None:
    run = make_grpo_run(fake_base, share=0)
    model.script = staticmethod(lambda messages, number: BAD)
    Completion.objects.update(text=BAD)
    practise_now(run)
    with pytest.raises(Refused, match="4 same scores"):
        write_groups(run)


def test_without_practice_there_is_nothing_to_learn_from(fake_base: Path) -> None:
    with pytest.raises(Refused, match="No group of answers"):
        write_groups(make_grpo_run(fake_base))


def test_an_answer_too_long_for_the_run_is_left_out_of_its_group(
    fake_base: Path, model: type[ScriptedInference]
) -> None:
    run = make_grpo_run(fake_base, rounds=1, share=0, max_length=256)
    texts = [GOOD, BAD, "cats purr. " * 40]
    model.script = staticmethod(lambda messages, number: texts[number])
    practise_now(run)
    manifest = write_groups(run)
    assert manifest["answers_left_out"] == {"too_long": 1}
    assert len(examples_of(run)[0].answers) == 3


def test_an_export_of_groups_has_texts_rewards_and_sources(fake_base: Path) -> None:
    run = make_grpo_run(fake_base)
    practise_now(run)
    groups = list(export_groups(run.agent_id, viewer=run.agent.owner_id))
    assert [group["round"] for group in groups] == [1, 2, 3, 4]
    first = groups[0]
    assert first["prompt"][0] == {"role": "system", "content": "I am first."}
    assert {"role", "content", "reward", "source", "agent", "version"} <= set(first["answers"][0])
    assert {one["content"] for one in first["answers"] if one["source"] == "practised"} <= {
        GOOD,
        BAD,
    }
    assert all(one["finish_reason"] and one["token_ids"] for one in first["answers"])
    other = make_agent()
    assert list(export_groups(other.pk, viewer=other.owner_id)) == []


def test_an_export_of_groups_holds_the_agents_own_answers_only(fake_base: Path) -> None:
    run = make_grpo_run(fake_base, rounds=1)
    practise_now(run)
    other = Completion.objects.exclude(seat__agent=run.agent).earliest("id").seat.agent
    theirs = make_run(other, run.space, config=GRPOConfig(tasks=4, rollouts=4, share=3))
    practise_now(theirs)
    (group,) = export_groups(other.pk, viewer=other.owner_id)
    assert {one["agent"] for one in group["answers"]} == {other.pk}
    assert len(group["answers"]) == 1
    write_groups(theirs)
    (example,) = examples_of(theirs)
    rewards = [one.reward for one in example.answers]
    assert group["group_size"] == len(rewards) == 4
    assert group["group_mean_reward"] == pytest.approx(sum(rewards) / 4), "of others, too"


def test_an_export_of_groups_reads_the_groups_of_a_run_together_and_runs_by_pages(
    fake_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_dataset, "EXPORT_RUNS", 1)
    run = make_grpo_run(fake_base, rounds=4)
    practise_now(run)
    with CaptureQueriesContext(connection) as captured:
        assert len(list(export_groups(run.agent_id, viewer=run.agent.owner_id))) == 4
    asked = [query["sql"] for query in captured]
    assert len(asked) == 6, "however many groups a run has"
    pages = [sql for sql in asked if 'FROM "training_trainingrun"' in sql and "LIMIT 1" in sql]
    assert len(pages) == 2, "the run, and that there is no other"
    assert not any("manifest" in sql for sql in asked), "which no export shows"
