from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from training.management.commands.follow_run import in_a_line
from training.models import TrainingRun
from training.runs.queries import run_view
from training.states import RunStatus
from training.tests.builders import make_agent, make_space

pytestmark = pytest.mark.django_db


def make_run(status: RunStatus, **changes: object) -> TrainingRun:
    agent = make_agent()
    assert agent.current_version is not None
    return TrainingRun.objects.create(
        agent=agent,
        space=make_space(),
        parent_version=agent.current_version,
        status=status,
        config={},
        last_pair_id=1,
        pair_count=8,
        **changes,
    )


def test_a_live_run_shows_its_step_figures_and_time_left() -> None:
    run = make_run(
        RunStatus.TRAINING,
        progress={"step": 3, "steps": 9, "remaining_seconds": 41.0, "memory_bytes": 3 * 2**30},
        curve=[{"step": 3, "loss": 1.25, "kl": 0.01}],
    )
    line = in_a_line(run_view(run.pk, viewer=None))
    assert "training, step 3 of 9, loss 1.25, kl 0.01, 3.0 GiB, about 41 s left" in line


def test_a_stage_is_told_before_the_first_step() -> None:
    run = make_run(RunStatus.TRAINING, progress={"stage": "loading the base model"})
    assert in_a_line(run_view(run.pk, viewer=None)).endswith("training, loading the base model")


def test_the_newest_run_is_followed_to_its_end() -> None:
    make_run(RunStatus.FAILED, reason="Of old.")
    run = make_run(RunStatus.REJECTED, reason="Not adopted: worse.")
    shown = StringIO()
    call_command("follow_run", stdout=shown)
    assert shown.getvalue().startswith(f"run {run.pk} of ")
    assert "rejected. Not adopted: worse." in shown.getvalue()


def test_a_run_that_is_not_there_is_named_in_a_sentence() -> None:
    with pytest.raises(CommandError, match="No training run has been started"):
        call_command("follow_run")
    with pytest.raises(CommandError, match="There is no such training run"):
        call_command("follow_run", 12345)
