"""Practice against a scripted model: what is asked, kept and judged."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents.inference.client import (
    InferenceUnavailable,
    Message,
    RequestRefused,
)
from agents.models import AgentVersion, User, VersionOrigin
from arena.environments.asking import build_messages
from arena.environments.base import Task
from arena.models import Completion, Round
from arena.tests.builders import plans_of
from judges.models import Judge
from training.configs.configs import PracticeAnswers
from training.data.dataset import (
    held_out_tasks,
)
from training.data.groups import Source
from training.methods.grpo import GRPOConfig
from training.models import Rollout, TrainingRun
from training.practice import plan
from training.practice.group_dataset import NotJudged
from training.practice.practice import practise
from training.practice.speaker import CONCURRENT_ANSWERS
from training.practice.tests.builders import (
    BAD,
    GOOD,
    ScriptedInference,
    make_grpo_run,
    origins_of,
    practise_now,
)
from training.tests.builders import (
    END_ID,
    make_base,
    make_run,
    make_space,
    prompt_ids_of,
    spec_of,
    write_groups,
)

pytestmark = pytest.mark.django_db


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


def test_planning_loads_only_the_newest_shared_answers_without_their_bulky_columns(
    fake_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_grpo_run(fake_base, rounds=1, rollouts=8, share=0)
    practise_now(run)
    drawn = list(Rollout.objects.filter(run=run).order_by("-id").values_list("id", flat=True))
    assert len(drawn) > 2
    monkeypatch.setattr(plan, "MAX_SHARED_PRACTICE", 2)
    other = Completion.objects.exclude(seat__agent=run.agent).earliest("id").seat.agent
    theirs = make_run(other, run.space, config=GRPOConfig(tasks=4, rollouts=4, share=3))
    spec = spec_of(theirs)
    with CaptureQueriesContext(connection) as captured:
        found = plan._shared_practice(spec, [Round.objects.get()])
    assert [[one.pk for one in rows] for rows in found.values()] == [drawn[:2]]
    loaded = [query["sql"] for query in captured if '"token_ids"' in query["sql"]]
    assert len(loaded) == 1
    assert not any(name in loaded[0] for name in ("logprobs", "prompt_token_ids", '"text"'))
    plans = plans_of(lambda: plan._shared_practice(spec, [Round.objects.get()]))
    assert any("SubPlan" in one and "Limit" in one for one in plans), "a limit for each task"
    (same_task,) = plans_of(lambda: list(Round.objects.filter(task_key="k").order_by()))
    assert "arena_round_task_ke" in same_task


@pytest.mark.parametrize(("share", "coded"), [(1.0, 4), (0.25, 4), (0.15, 2), (0.1, 1), (0.0, 0)])
def test_coded_seats_give_no_more_of_a_runs_answers_than_their_share(
    fake_base: Path, share: float, coded: int
) -> None:
    """Four groups of four; the Solver's answer could be in each."""
    run = make_grpo_run(fake_base)
    run.config["coded_share"] = share
    run.save()
    practise_now(run)
    manifest = write_groups(run)
    assert manifest["coded"]["answers"] == coded
    assert manifest["coded"]["of"] == 16
    assert manifest["answers_left_out"].get("coded_share", 0) == 4 - coded


@pytest.mark.parametrize("who", ["who_answered", "who_learns"])
def test_private_practice_answers_are_not_shared_either_way(fake_base: Path, who: str) -> None:
    run = make_grpo_run(fake_base, rounds=1)
    practise_now(run)
    other = Completion.objects.exclude(seat__agent=run.agent).earliest("id").seat.agent
    config = GRPOConfig(tasks=4, rollouts=4, share=3)
    if who == "who_answered":
        run.agent.learning = {"practice_answers": "private"}
        run.agent.save()
    else:
        config = replace(config, practice_answers=PracticeAnswers.PRIVATE)
    theirs = make_run(other, run.space, config=config)
    practise_now(theirs)
    sources = write_groups(theirs)["sources"]
    assert sources == {"played": 1, "practised": 1, "shared": 2}, "answers in matches are public"


@pytest.mark.parametrize("is_leaving", [False, True])
def test_answers_of_people_who_leave_are_no_longer_shared(
    fake_base: Path, is_leaving: bool
) -> None:
    run = make_grpo_run(fake_base)
    if is_leaving:
        User.objects.exclude(pk=run.agent.owner_id).update(leaving_since=timezone.now())
    practise_now(run)
    planned = plan.PracticePlan.read(spec_of(run).folder)
    assert planned is not None
    sources = {member.source for group in planned.groups for member in group.members}
    assert (Source.SHARED in sources) is not is_leaving


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
    with pytest.raises(NotJudged, match="4 not judged"):
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
