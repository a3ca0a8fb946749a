"""The clock is set back by an hour: nothing waits for that hour to pass."""

import time
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from celery.beat import Service
from django.utils import timezone

from arena import sweeping
from arena.config.celery import celery_app, steady_now
from arena.matches import claiming, play
from arena.matches.runner import task_of
from arena.models import Match, Round
from arena.tests.builders import make_match, record

HOUR = timedelta(hours=1)


def put_clock_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was written before this now seems to come from the future."""
    before, time_before = timezone.now(), time.time()
    monkeypatch.setattr(timezone, "now", lambda: before - HOUR)
    monkeypatch.setattr(time, "time", lambda: time_before - HOUR.total_seconds())


@pytest.mark.django_db(transaction=True)
def test_a_match_of_a_dead_worker_is_found_and_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    match = make_match()
    assert claiming.claim_next(owner=uuid.uuid4()) == match.id
    put_clock_back(monkeypatch)
    assert sweeping.matches_to_play() == [match.id]
    assert claiming.claim_next(owner=uuid.uuid4()) == match.id


@pytest.mark.django_db(transaction=True)
def test_a_round_that_waits_for_its_judges_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    match = make_match()
    play.start_match(match.id)
    play.start_round(match.id, number=1, task=task_of(match.id, 1))
    for seat in range(2):
        record(match, 1, seat)
    put_clock_back(monkeypatch)
    assert sweeping.rounds_to_judge() == [Round.objects.get().pk]


@pytest.mark.django_db(transaction=True)
def test_a_nudge_of_before_holds_up_no_nudge_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    match, now = make_match(), time.time()
    monkeypatch.setattr(time, "time", lambda: now)  # so that no step of time ends in between
    Match.objects.update(created_at=timezone.now() - 2 * HOUR)
    assert sweeping.matches_to_play() == [match.id]
    assert sweeping.matches_to_play() == []
    put_clock_back(monkeypatch)
    assert sweeping.matches_to_play() == [match.id]


@pytest.mark.parametrize("entry", celery_app.conf.beat_schedule.values())
def test_the_schedule_goes_on(entry: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = entry["schedule"]
    last_run_at = schedule.now()
    assert not schedule.is_due(last_run_at).is_due
    put_clock_back(monkeypatch)
    later = time.monotonic() + schedule.run_every.total_seconds()
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert schedule.is_due(last_run_at).is_due


def test_a_beat_that_starts_again_does_not_wait_for_what_its_file_says(tmp_path: Path) -> None:
    def start() -> Service:
        named = celery_app.conf.beat_scheduler
        return Service(celery_app, schedule_filename=str(tmp_path / "beat"), scheduler_cls=named)

    died = start()
    for entry in died.scheduler.schedule.values():
        entry.last_run_at += HOUR  # as if the clock had been set back while it ran
    died.scheduler.close()
    another = start()
    entries = another.scheduler.schedule
    assert entries.keys() >= celery_app.conf.beat_schedule.keys()
    soon = steady_now() + timedelta(minutes=1)
    assert all(entry.last_run_at < soon for entry in entries.values())
    another.scheduler.close()
