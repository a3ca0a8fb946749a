"""The learned judge is trained again when there is something new to learn and nothing else to do."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import settings
from django.core.cache import cache
from django.utils import timezone

from arena.models import Match, Space
from judges.models import Judge, LearnedStatus, LearnedVersion
from training.judging import schedule
from training.judging.schedule import is_due, train_if_due
from training.judging.training import DEFAULT_SLUG, AlreadyTraining, learned_judge
from training.methods.dpo import DPOConfig
from training.models import TrainingRun
from training.states import RunStatus
from training.tests.builders import make_agent, make_match, make_run, make_space
from training.worker.child import TrainerDied

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _few_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    cache.delete(schedule._FAILED)
    monkeypatch.setattr(settings.ENV, "judge_train_days", 7)
    monkeypatch.setattr(schedule, "MIN_NEW_ANSWERS", 4)


@pytest.fixture
def space() -> Space:
    """A Space with the learned judge on its panel, whose match has brought enough answers."""
    learned_judge()
    one = make_space()
    one.panel = [{"judge": "code", "weight": 1.0}, {"judge": DEFAULT_SLUG, "weight": 1.0}]
    one.save()
    answers_in(one)
    return one


def answers_in(space: Space) -> Match:
    match = make_match([make_agent(), make_agent()], [{0: 0.2, 1: 0.9}] * 2, space=space)
    match.rounds.update(decided_at=timezone.now())
    return match


def trained_before(days: float) -> LearnedVersion:
    version = LearnedVersion.objects.create(
        judge=learned_judge(),
        digest="0" * 64,
        base="base",
        status=LearnedStatus.REFUSED,
        reason="Too few.",
    )
    at = timezone.now() - timedelta(days=days)
    LearnedVersion.objects.filter(id=version.pk).update(created_at=at)
    return version


def test_it_is_due_where_it_sits_and_has_never_learned(space: Space) -> None:
    assert is_due()


def test_it_is_due_again_only_after_some_days_and_new_answers(space: Space) -> None:
    version = trained_before(days=6.9)
    assert not is_due()
    LearnedVersion.objects.filter(id=version.pk).update(
        created_at=timezone.now() - timedelta(days=7.1)
    )
    assert is_due()
    long_ago = timezone.now() - timedelta(days=8)
    for match in Match.objects.all():
        match.rounds.update(decided_at=long_ago)
    assert not is_due()
    answers_in(space)
    assert is_due()


def on_no_panel(space: Space) -> None:
    space.panel = [{"judge": "code", "weight": 1.0}]
    space.save()


def switched_off(space: Space) -> None:
    settings.ENV.judge_train_days = 0  # the fixture puts it back


def never_made(space: Space) -> None:
    Judge.objects.filter(slug=DEFAULT_SLUG).delete()


def with_a_run_waiting(space: Space) -> None:
    run = make_run(make_agent(), space, config=DPOConfig())
    TrainingRun.objects.filter(id=run.pk).update(status=RunStatus.QUEUED)


def with_few_answers(space: Space) -> None:
    Match.objects.get().rounds.filter(number=2).update(decided_at=None)


@pytest.mark.parametrize(
    "change", [on_no_panel, switched_off, never_made, with_a_run_waiting, with_few_answers]
)
def test_it_is_not_due(space: Space, change: Callable[[Space], None]) -> None:
    change(space)
    assert not is_due()


def test_a_training_that_fails_is_not_repeated_at_once(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(**_: object) -> None:
        raise TrainerDied("The trainer was killed.")

    monkeypatch.setattr(schedule, "train_judge", dies)
    assert train_if_due() is None
    assert not is_due()


def test_beside_another_training_it_waits_for_the_next_hour(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_busy(**_: object) -> None:
        raise AlreadyTraining("A judge is being trained on this machine already.")

    monkeypatch.setattr(schedule, "train_judge", is_busy)
    assert train_if_due() is None
    assert is_due()
