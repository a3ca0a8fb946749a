"""Practice against a scripted model: what is asked, kept, judged, and handed to the trainer."""

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import pytest
from asgiref.sync import async_to_sync

from agents.errors import Refused
from agents.inference import patience
from agents.inference.client import (
    Generation,
    InferenceUnavailable,
    Message,
    RequestRefused,
    Sampling,
    ServedModel,
)
from agents.models import Agent, AgentVersion, Engine, VersionOrigin
from arena.environments.asking import build_messages
from arena.environments.base import Task
from arena.models import Completion, Space
from judges.models import Judge
from training.data.dataset import (
    DATASET_FILE,
    PROVENANCE_FILE,
    held_out_tasks,
)
from training.data.harvest import harvest_matches
from training.methods.examples import GroupExample
from training.methods.grpo import GRPOConfig
from training.models import Rollout, TrainingRun
from training.practice import practice
from training.practice.group_dataset import export_groups
from training.practice.practice import CONCURRENT_ANSWERS, practise
from training.runs.attempts import run_folder
from training.tests.builders import (
    END_ID,
    ids_of,
    make_agent,
    make_base,
    make_match,
    make_run,
    make_space,
    prompt_ids_of,
    spec_of,
    write_groups,
)

pytestmark = pytest.mark.django_db

GOOD = "cats are quiet animals that sleep all day."
BAD = "Cats ARE Loud."


class ScriptedInference:
    """The model of these tests: answers by `script`, in place of agents.inference.client.Inference."""

    script: Callable[[Sequence[Message], int], str]
    calls: list[tuple[ServedModel, list[Message], Sampling]]
    in_flight: int
    most_in_flight: int

    @classmethod
    def reset(cls) -> None:
        cls.script = staticmethod(lambda messages, number: (GOOD, BAD)[number % 2])
        cls.calls = []
        cls.in_flight = cls.most_in_flight = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        pass

    async def ensure_adapter(self, model: ServedModel) -> None:
        pass

    async def generate(
        self, model: ServedModel, messages: Sequence[Message], sampling: Sampling
    ) -> Generation:
        cls = type(self)
        number = len(cls.calls)
        cls.calls.append((model, list(messages), sampling))
        cls.in_flight += 1
        cls.most_in_flight = max(cls.in_flight, cls.most_in_flight)
        try:
            await asyncio.sleep(0)
            text = cls.script(messages, number)
        finally:
            cls.in_flight -= 1
        ids = [*ids_of(text), END_ID]
        return Generation(
            text=text,
            prompt_token_ids=prompt_ids_of(messages),
            token_ids=ids,
            logprobs=[-0.25] * len(ids),
            chunk_times=[],
            finish_reason="stop",
            seconds=0.1,
        )


@pytest.fixture(autouse=True)
def model(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> type[ScriptedInference]:
    settings.RUN_STORE = tmp_path / "runs"
    monkeypatch.setattr(practice, "Inference", ScriptedInference)
    monkeypatch.setattr(patience, "RETRY_PAUSES_SECONDS", (0.0, 0.0))
    ScriptedInference.reset()
    return ScriptedInference


def make_grpo_run(
    fake_base: Path, *, rounds: int = 4, space: Space | None = None, **config: Any
) -> TrainingRun:
    """An agent that lost `rounds` rounds against the Solver and another agent."""
    make_base(str(fake_base))
    space = space or make_space()
    agent, other = make_agent(prompt="I am first."), make_agent(prompt="I am second.")
    solver = make_agent(engine=Engine.CODE, is_house=True)
    make_match([agent, other, solver], [{0: 0.2, 1: 0.5, 2: 0.9}] * rounds, space=space)
    harvest_matches()
    values = {"tasks": 4, "rollouts": 4, "share": 2, "max_length": 2048} | config
    return make_run(agent, space, config=GRPOConfig(**values))


def practise_now(run: TrainingRun, told: list[str] | None = None) -> None:
    async def heartbeat(sentence: str) -> None:
        if told is not None:
            told.append(sentence)

    async_to_sync(practise)(spec_of(run), heartbeat=heartbeat)


def examples_of(run: TrainingRun) -> list[GroupExample]:
    lines = (run_folder(run.pk) / DATASET_FILE).read_text().splitlines()
    return [GroupExample.from_json(json.loads(line)) for line in lines]


def origins_of(run: TrainingRun) -> list[dict[str, Any]]:
    lines = (run_folder(run.pk) / PROVENANCE_FILE).read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_practice_draws_what_the_groups_lack_as_a_match_would_ask(
    fake_base: Path, model: type[ScriptedInference]
) -> None:
    run = make_grpo_run(fake_base)
    told: list[str] = []
    practise_now(run, told)
    rollouts = list(Rollout.objects.filter(run=run).order_by("round_id", "index"))
    assert len(rollouts) == 4, "of four: one played, two shared, one practised; four tasks"
    assert told[0] == "practising: 0 of 4 answers"
    one = rollouts[0]
    task = Task.from_json(one.round.task)
    asked = build_messages("I am first.", task)
    assert asked in [messages for _, messages, _ in model.calls]
    assert one.prompt_token_ids == prompt_ids_of(asked)
    assert one.version == run.parent_version
    assert len(one.logprobs) == len(one.token_ids)
    assert {name for served, _, _ in model.calls for name in [served.name]} == {"tiny"}


def test_the_longest_answer_is_the_spaces(fake_base: Path, model: type[ScriptedInference]) -> None:
    make_base(str(fake_base))
    space = make_space()
    space.max_tokens = 16
    space.save()
    run = make_grpo_run(fake_base, space=space)
    practise_now(run)
    assert {sampling.max_tokens for _, _, sampling in model.calls} == {16}
    assert Rollout.objects.earliest("id").sampling["max_tokens"] == 16


def test_the_newest_tasks_are_practised(fake_base: Path) -> None:
    run = make_grpo_run(fake_base, rounds=6)
    practise_now(run)
    numbers = Rollout.objects.values_list("round__number", flat=True)
    assert sorted(numbers) == [3, 4, 5, 6]


def test_practice_that_is_over_asks_and_judges_nothing_again(
    fake_base: Path, model: type[ScriptedInference]
) -> None:
    run = make_grpo_run(fake_base)
    practise_now(run)
    first = write_groups(run)
    model.script = staticmethod(lambda messages, number: pytest.fail("asked again"))
    Judge.objects.update(quarantined_at="2026-01-01T00:00Z")
    practise_now(run)
    assert write_groups(run) == first


def test_an_outage_keeps_what_was_drawn_and_another_worker_draws_the_rest(
    fake_base: Path, model: type[ScriptedInference]
) -> None:
    def until_the_outage(messages: Sequence[Message], number: int) -> str:
        if number >= 3:
            raise InferenceUnavailable("gone")
        return GOOD

    run = make_grpo_run(fake_base, share=0)
    model.script = staticmethod(until_the_outage)
    with pytest.raises(InferenceUnavailable):
        practise_now(run)
    kept = set(Rollout.objects.values_list("id", flat=True))
    assert len(kept) == 3
    model.reset()
    told: list[str] = []
    practise_now(run, told)
    assert told[0] == "practising: 3 of 12 answers"
    assert len(model.calls) == 9
    assert kept < set(Rollout.objects.values_list("id", flat=True))


def test_a_short_outage_is_waited_for(fake_base: Path, model: type[ScriptedInference]) -> None:
    failures = iter([True, True])

    def at_last(messages: Sequence[Message], number: int) -> str:
        if next(failures, False):
            raise InferenceUnavailable("busy")
        return GOOD

    model.script = staticmethod(at_last)
    run = make_grpo_run(fake_base)
    practise_now(run)
    assert Rollout.objects.count() == 4


def test_answers_are_asked_side_by_side_within_a_bound(
    fake_base: Path, model: type[ScriptedInference]
) -> None:
    practise_now(make_grpo_run(fake_base, rollouts=8, share=0))
    assert len(model.calls) == 28
    assert 2 <= model.most_in_flight <= CONCURRENT_ANSWERS


def test_a_heartbeat_that_raises_ends_practice(
    fake_base: Path, model: type[ScriptedInference]
) -> None:
    class Lost(Exception):
        pass

    async def heartbeat(sentence: str) -> None:
        raise Lost

    with pytest.raises(Lost):
        async_to_sync(practise)(spec_of(make_grpo_run(fake_base)), heartbeat=heartbeat)


def test_all_answers_of_a_group_are_judged_together(fake_base: Path) -> None:
    run = make_grpo_run(fake_base, rounds=1)
    Completion.objects.filter(seat__agent=run.agent).update(text=BAD)
    practise_now(run)
    (rollout,) = Rollout.objects.all()
    write_groups(run)
    (origin,) = origins_of(run)
    by_source = {one["source"]: one["reward"] for one in origin["answers"]}
    assert by_source["practised"] == rollout.score
    assert rollout.score is not None
    assert rollout.score > 0.8, "the code's own score of a passing answer"
    assert by_source["played"] < 0.5, "judged anew with the group, not the match's 0.2"


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


def test_another_agents_practice_of_the_same_task_is_shared(fake_base: Path) -> None:
    run = make_grpo_run(fake_base, rounds=1)
    practise_now(run)
    other = Completion.objects.exclude(seat__agent=run.agent).earliest("id").seat.agent
    theirs = make_run(other, run.space, config=GRPOConfig(tasks=4, rollouts=4, share=3))
    practise_now(theirs)
    manifest = write_groups(theirs)
    assert manifest["sources"] == {"played": 1, "shared": 2, "shared_practice": 1}
    answers = origins_of(theirs)[0]["answers"]
    (shared,) = [one for one in answers if one["source"] == "shared_practice"]
    assert (shared["agent"], shared["practised_for"]) == (run.agent_id, run.pk)


def test_a_plan_stays_when_others_answer_meanwhile(fake_base: Path) -> None:
    run = make_grpo_run(fake_base, rounds=1)
    practise_now(run)
    manifest = write_groups(run)
    other = Completion.objects.exclude(seat__agent=run.agent).earliest("id").seat.agent
    practise_now(make_run(other, run.space, config=GRPOConfig(tasks=4, rollouts=4, share=0)))
    practise_now(run)
    assert write_groups(run) == manifest


def test_a_group_that_nobody_judged_is_left_out_and_has_no_score(fake_base: Path) -> None:
    run = make_grpo_run(fake_base)
    Judge.objects.update(quarantined_at="2026-01-01T00:00Z")
    practise_now(run)
    assert set(Rollout.objects.values_list("score", flat=True)) == {None}
    with pytest.raises(Refused, match="4 not judged"):
        write_groups(run)
    Judge.objects.update(quarantined_at=None)
    practise_now(run)
    assert len(write_groups(run)["groups"]) == 4, "judged once the panel is back"


def test_a_task_that_the_server_refuses_is_left_out_alone(
    fake_base: Path, model: type[ScriptedInference]
) -> None:
    def refuse_one(messages: Sequence[Message], number: int) -> str:
        if messages[-1]["content"].startswith("Round 2 "):
            raise RequestRefused("too long")
        return GOOD

    run = make_grpo_run(fake_base, share=0)
    model.script = staticmethod(refuse_one)
    practise_now(run)
    manifest = write_groups(run)
    assert manifest["left_out"] == {"not_answered": 1}
    assert len(manifest["groups"]) == 3


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


def test_a_held_out_task_is_not_practised(fake_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_grpo_run(fake_base)
    monkeypatch.setattr(
        "training.data.dataset.draw_tasks", lambda *args, **kwargs: [_task_of(run, 4)]
    )
    assert held_out_tasks(run).contain(_task_of(run, 4).prompt)
    practise_now(run)
    assert sorted(Rollout.objects.values_list("round__number", flat=True)) == [1, 2, 3]
    assert write_groups(run)["left_out"] == {"held_out": 1}


def _task_of(run: TrainingRun, number: int) -> Task:
    own = Completion.objects.get(seat__agent=run.agent, round__number=number)
    return Task.from_json(own.round.task)


@pytest.mark.parametrize(
    ("prompt", "reason"), [("I changed.", "other_prompt"), ("I am first.", "stale")]
)
def test_a_played_answer_of_another_prompt_or_too_old_is_practised_anew(
    fake_base: Path, prompt: str, reason: str
) -> None:
    staleness = 0 if reason == "stale" else 1
    run = make_grpo_run(fake_base, rounds=1, share=1, max_staleness=staleness)
    run.parent_version = AgentVersion.objects.create(
        agent=run.agent,
        number=2,
        parent=run.parent_version,
        prompt=prompt,
        sampling=run.parent_version.sampling,
        origin=VersionOrigin.EDITED,
    )
    run.save()
    practise_now(run)
    manifest = write_groups(run)
    assert manifest["answers_left_out"] == {reason: 1}
    assert manifest["sources"] == {"practised": 3, "shared": 1}


def test_a_shared_answer_that_speaks_as_another_role_is_not_shared(fake_base: Path) -> None:
    run = make_grpo_run(fake_base, rounds=1)
    Completion.objects.exclude(seat__agent=run.agent).update(token_ids=[50, END_ID, 1, 51])
    practise_now(run)
    manifest = write_groups(run)
    assert manifest["answers_left_out"] == {"control_tokens": 2}
    assert manifest["sources"] == {"played": 1, "practised": 3}


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
    other = make_agent()
    assert list(export_groups(other.pk, viewer=other.owner_id)) == []
