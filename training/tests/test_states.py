import itertools

import pytest

from training.models import TrainingRun
from training.states import (
    LIVE_STATUSES,
    TRANSITIONS,
    IllegalRunEvent,
    RunEvent,
    RunStatus,
    advance,
)


def test_the_whole_life_of_a_run_that_is_adopted() -> None:
    status = RunStatus.QUEUED
    for event in (RunEvent.CLAIM, RunEvent.TRAINED, RunEvent.ADOPT):
        status = advance(status, event)
    assert status is RunStatus.ADOPTED


def test_a_run_taken_over_stays_where_it_was() -> None:
    assert advance(RunStatus.TRAINING, RunEvent.CLAIM) is RunStatus.TRAINING
    assert advance(RunStatus.EVALUATING, RunEvent.CLAIM) is RunStatus.EVALUATING


@pytest.mark.parametrize("status", [status for status in RunStatus if not status.is_final])
def test_every_live_run_can_fail_or_be_cancelled(status: RunStatus) -> None:
    assert advance(status, RunEvent.FAIL) is RunStatus.FAILED
    assert advance(status, RunEvent.CANCEL) is RunStatus.CANCELLED


@pytest.mark.parametrize(("status", "event"), list(itertools.product(RunStatus, RunEvent)))
def test_what_is_not_in_the_table_is_refused(status: RunStatus, event: RunEvent) -> None:
    if (status, event) in TRANSITIONS:
        assert not status.is_final or status is RunStatus.OFFERED
    else:
        with pytest.raises(IllegalRunEvent, match=str(status)):
            advance(status, event)


def test_the_database_allows_one_live_run_of_an_agent_by_the_same_states() -> None:
    (one_live,) = (
        each for each in TrainingRun._meta.constraints if each.name.startswith("run_one")
    )
    condition = one_live.deconstruct()[2]["condition"]
    assert set(dict(condition.children)["status__in"]) == LIVE_STATUSES
