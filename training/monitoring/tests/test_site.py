"""Figures of the operator's page."""

from datetime import timedelta

import pytest
from django.utils import timezone

from training.methods.dpo import DPOConfig
from training.models import TrainingRun
from training.monitoring import site
from training.runs.steering import pause_run, resume_run
from training.states import RunStatus
from training.tests.builders import make_agent, make_run, make_space

pytestmark = pytest.mark.django_db


def test_a_run_that_was_paused_has_waited_since_it_was_resumed() -> None:
    run = make_run(make_agent(), make_space(), config=DPOConfig())
    created_at = timezone.now() - timedelta(days=3)
    TrainingRun.objects.update(status=RunStatus.QUEUED, created_at=created_at)
    of_days = timedelta(days=2).total_seconds()
    assert site.training(timezone.now()).oldest_queued_seconds > of_days
    pause_run(run.agent.owner_id, run_id=run.pk)
    resume_run(run.agent.owner_id, run_id=run.pk)
    assert site.training(timezone.now()).oldest_queued_seconds < of_days
