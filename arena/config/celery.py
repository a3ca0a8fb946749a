"""The Celery application; its schedule lives here, in code."""

import logging.config
import os
import time
from datetime import UTC, datetime, timedelta

from celery import Celery
from celery.beat import PersistentScheduler
from celery.schedules import schedule
from celery.signals import setup_logging
from django.conf import settings
from django_structlog.celery.steps import DjangoStructLogInitStep

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "arena.config.settings")

celery_app = Celery("rlfc")
celery_app.config_from_object("django.conf:settings", namespace="CELERY")
celery_app.autodiscover_tasks()
celery_app.steps["worker"].add(DjangoStructLogInitStep)
_START = datetime.fromtimestamp(time.time(), UTC) - timedelta(seconds=time.monotonic())


def steady_now() -> datetime:
    """The time, as if nobody had set the clock since this process began: sweeps must not pause."""
    return _START + timedelta(seconds=time.monotonic())


class FreshScheduler(PersistentScheduler):  # type: ignore[misc]
    """Begins anew at each start: its file may have times of before the clock was set back."""

    def setup_schedule(self) -> None:
        self._remove_db()
        super().setup_schedule()


@celery_app.on_after_configure.connect
def _schedule_sweeps(sender: Celery, **_: object) -> None:
    """Settings are read here, not while this module is imported: tests decide on them first."""
    seconds = float(settings.ENV.sweep_seconds)
    # A sweep that nobody takes in time expires, so that a worker that was away finds no backlog.
    sweep = {"schedule": schedule(seconds, nowfun=steady_now), "options": {"expires": 2 * seconds}}
    sender.conf.beat_schedule = {
        "sweep matches": sweep | {"task": "arena.tasks.sweep"},
        "make pairs and start runs": sweep | {"task": "training.tasks.sweep"},
        "ask gold": {
            "task": "arena.tasks.ask_gold",
            "schedule": schedule(60.0, nowfun=steady_now),
            "options": {"expires": 60.0},
        },
        "sample attacks": {
            "task": "arena.tasks.sample_attack",
            "schedule": schedule(900.0, nowfun=steady_now),
            "options": {"expires": 450.0},
        },
        "ask servers": {
            "task": "arena.tasks.ask_servers",
            "schedule": schedule(15.0, nowfun=steady_now),
            "options": {"expires": 15.0},
        },
        # Looks whether the daily audit is due: beat itself may not run for a whole day.
        "audit ledger": {
            "task": "arena.tasks.audit_ledger",
            "schedule": schedule(3_600.0, nowfun=steady_now),
            "options": {"expires": 1_800.0},
        },
        "train judge": {
            "task": "training.tasks.train_judge",
            "schedule": schedule(3_600.0, nowfun=steady_now),
            "options": {"expires": 1_800.0},
        },
        "make room": {
            "task": "training.tasks.make_room",
            "schedule": schedule(600.0, nowfun=steady_now),
            "options": {"expires": 300.0},
        },
    }


@setup_logging.connect
def _configure_logging(**_: object) -> None:
    """While connected, this keeps Celery from installing its own log handlers and formats."""
    logging.config.dictConfig(settings.LOGGING)
