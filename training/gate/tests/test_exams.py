from typing import Any

import pytest

from agents.models import BaseModel
from arena.models import Space, SpaceStatus
from judges.models import Judge
from training.gate.exams import ARITHMETIC_TASK_FACTOR, own_exam, probe_exams
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
    assert not own_exam(space).restricts_moves
    space.restricts_moves = True
    exam = own_exam(space)
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
