"""The Celery application; its schedule lives here, in code."""

import logging.config
import os

from celery import Celery
from celery.signals import setup_logging
from django.conf import settings
from django_structlog.celery.steps import DjangoStructLogInitStep

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "arena.config.settings")

celery_app = Celery("rlfc")
celery_app.config_from_object("django.conf:settings", namespace="CELERY")
celery_app.autodiscover_tasks()
celery_app.steps["worker"].add(DjangoStructLogInitStep)
# A sweep that nobody takes in time expires, so that a worker that was away finds no backlog.
SWEEP = {"schedule": 5.0, "options": {"expires": 10.0}}
celery_app.conf.beat_schedule = {
    "sweep matches": SWEEP | {"task": "arena.tasks.sweep"},
    "make pairs and start runs": SWEEP | {"task": "training.tasks.sweep"},
    "make room": {
        "task": "training.tasks.make_room",
        "schedule": 600.0,
        "options": {"expires": 300.0},
    },
}


@setup_logging.connect
def _configure_logging(**_: object) -> None:
    """While connected, this keeps Celery from installing its own log handlers and formats."""
    logging.config.dictConfig(settings.LOGGING)
