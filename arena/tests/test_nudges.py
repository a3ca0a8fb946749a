"""Nudges name their tasks in words: each must be one that a worker runs."""

import pytest
from django.db import transaction
from kombu.exceptions import OperationalError

from arena.config import celery_app
from arena.matches import play
from arena.matches.runner import task_of
from arena.nudges import JUDGE_ROUND, PLAY_MATCH, SWEEP_MATCHES, TASKS, nudge, nudge_on_commit
from arena.tests.builders import make_match, make_space, record


def test_every_task_that_is_nudged_is_registered() -> None:
    celery_app.loader.import_default_modules()
    ours = {name for name in celery_app.tasks if not name.startswith("celery.")}
    assert set(TASKS) == ours


def test_a_task_that_nobody_runs_is_not_sent() -> None:
    with pytest.raises(AssertionError, match="nobody runs"):
        nudge("arena.tasks.typo")


@pytest.mark.django_db(transaction=True)
def test_a_nudge_goes_out_after_the_commit_and_its_loss_breaks_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[str] = []

    def refuse(task: str, **_: object) -> None:
        sent.append(task)
        raise OperationalError("connection refused")

    monkeypatch.setattr("arena.nudges.current_app.send_task", refuse)
    with transaction.atomic():
        nudge_on_commit(SWEEP_MATCHES)
        assert sent == []
    assert sent == [SWEEP_MATCHES]


@pytest.mark.django_db(transaction=True)
def test_each_step_of_a_match_wakes_the_worker_of_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without it all would go on, too, but only when a sweep has found the rows."""
    sent: list[tuple[object, ...]] = []

    def send(task: str, args: tuple[int, ...], *, retry: bool, **options: object) -> None:
        assert not retry, "a request does not wait for a broker that is away"
        sent.append((task, *args, options))

    monkeypatch.setattr("arena.nudges.current_app.send_task", send)
    match = make_match(make_space(house_fill_seconds=3))
    entered = [(SWEEP_MATCHES, {}), (SWEEP_MATCHES, {"countdown": 3.1})]
    assert sent == [*entered, *entered, (PLAY_MATCH, match.id, {})]
    sent.clear()
    play.start_match(match.id)
    play.start_round(match.id, number=1, task=task_of(match.id, 1, "constraints"))
    record(match, 1, 0)
    assert sent == []
    record(match, 1, 1)
    assert sent == [(JUDGE_ROUND, match.rounds.get().id, {})]
