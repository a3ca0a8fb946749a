"""Nudges name their tasks in words: each must be one that a worker runs."""

import pytest
from django.db import transaction
from kombu.exceptions import OperationalError

from arena.config import celery_app
from arena.nudges import SWEEP_MATCHES, TASKS, nudge, nudge_on_commit


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
