from random import Random
from typing import Any

import pytest

from agents.models import BaseModel
from arena.environments import ENVIRONMENTS
from arena.environments.base import Split
from arena.models import DifficultyTally, Space, SpaceStatus
from arena.spaces.tallies import played_weights
from judges.models import Judge
from training.data.dataset import held_out_tasks
from training.gate.exams import ARITHMETIC_TASK_FACTOR, exam_source, own_exam, probe_exams
from training.gate.sitting import draw_tasks
from training.models import TrainingRun
from training.tests.builders import make_space

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _sizes(settings: Any) -> None:
    settings.ENV = settings.ENV.model_copy(update={"gate_tasks": 40, "probe_tasks": 10})


def probed(space: Space) -> list[str]:
    return [exam.slug for exam in probe_exams(space)]


def test_a_space_is_examined_by_its_own_panel_under_its_own_limit() -> None:
    Judge.objects.get_or_create(slug="code", defaults={"name": "Code", "kind": "code"})
    space = make_space()
    space.max_tokens = 33
    run = TrainingRun(space=space)
    assert not own_exam(run).restricts_moves
    space.restricts_moves = True
    exam = own_exam(run)
    assert exam.restricts_moves
    assert (exam.slug, exam.task_count, exam.max_tokens) == (space.slug, 40, 33)
    assert exam.environment.slug == "constraints"
    assert [judge.slug for judge in exam.panel] == ["code"]


def test_open_spaces_of_other_environments_are_probed_and_always_arithmetic() -> None:
    space, other = make_space("constraints"), make_space("open_ended")
    make_space("constraints")  # the same skill
    exams = probe_exams(space)
    assert [exam.slug for exam in exams] == [other.slug, "arithmetic"]
    assert [exam.task_count for exam in exams] == [10, 10 * ARITHMETIC_TASK_FACTOR]


def test_the_same_run_is_always_examined_alike_and_nobody_without_the_sites_key_knows_how(
    settings: Any,
) -> None:
    first, again, other = (exam_source(run_id).random() for run_id in (7, 7, 8))
    assert first == again != other
    settings.SECRET_KEY = "another site's"
    assert exam_source(7).random() != first


def test_where_a_space_names_the_rules_other_topics_are_other_tasks() -> None:
    """Its prompts are nearly all rules, so those of other topics look alike."""
    environment = ENVIRONMENTS["constraints?rules=growing,quotes,exclaim"]
    run = TrainingRun(pk=7, space=make_space(environment.slug))
    held_out = held_out_tasks(run)
    (asked, *_) = draw_tasks(environment, rng=exam_source(7), count=8)
    assert held_out.contain(asked.prompt)
    played = [environment.make_task(Random(seed), Split.TRAIN).prompt for seed in range(50)]
    assert not any(map(held_out.contain, played))


def make_tallies(space: Space, *solved: float) -> None:
    """Ten answers to a task of each difficulty, of which so many were right."""
    for difficulty, right in enumerate(solved):
        DifficultyTally.objects.create(
            space=space,
            environment=space.environment,
            difficulty=difficulty,
            asked=10,
            solved=right,
            rating_sum=250,
        )


def test_an_exam_asks_the_difficulties_that_its_space_plays() -> None:
    space, other = make_space("stories"), make_space("reasoning/chain_sum")
    make_tallies(other, 9, 5, 1)
    run = TrainingRun(space=space, exam_weights=[0.2, 0.6, 0.2])
    assert own_exam(run).difficulty_weights == (0.2, 0.6, 0.2), "those of the run, fixed"
    probe, arithmetic = probe_exams(space)
    assert probe.difficulty_weights == played_weights(other.pk)
    assert probe.difficulty_weights[1] == max(probe.difficulty_weights)
    assert arithmetic.difficulty_weights == (), "the check that stays the same"


def test_a_space_of_one_difficulty_or_of_no_answers_yet_has_no_mix() -> None:
    space = make_space("reasoning/chain_sum")
    assert played_weights(space.pk) == ()
    make_tallies(space, 9, 5)
    assert len(played_weights(space.pk)) == 2
    Space.objects.filter(id=space.pk).update(environment="constraints")
    assert played_weights(space.pk) == (), "tallies are of another environment"


def test_closed_spaces_and_those_of_another_base_are_not_probed() -> None:
    space, closed, foreign = make_space(), make_space("open_ended"), make_space("open_ended")
    closed.status = SpaceStatus.CLOSED
    closed.save()
    foreign.base_model = BaseModel.objects.create(slug="b", served_name="b", name="B", path="/b")
    foreign.save()
    assert probed(space) == ["arithmetic"]


def test_the_oldest_space_of_an_environment_stands_for_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Many Spaces of one environment leave room for the others."""
    monkeypatch.setattr("training.gate.exams.MAX_PROBED_SPACES", 2)
    constraints = [make_space("constraints") for _ in range(3)]
    arithmetic, poems = make_space("arithmetic"), make_space("open_ended")
    assert sorted(probed(poems)) == sorted([constraints[0].slug, arithmetic.slug])


def test_arithmetic_is_asked_once() -> None:
    played = make_space("arithmetic")
    assert probed(make_space("constraints")) == [played.slug]
    assert probed(played) == [Space.objects.get(environment="constraints").slug]


def test_no_probe_tasks_are_no_probes(settings: Any) -> None:
    settings.ENV = settings.ENV.model_copy(update={"probe_tasks": 0})
    make_space("open_ended")
    assert probed(make_space()) == []
