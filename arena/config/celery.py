"""The Celery application; its schedule lives here, in code."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "arena.config.settings")

app = Celery("rlfc")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.conf.beat_schedule = {
    "sweep matches": {"task": "arena.tasks.sweep", "schedule": 5.0},
    "make pairs and start runs": {"task": "training.tasks.sweep", "schedule": 5.0},
}
