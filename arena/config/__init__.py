"""The composition root: imports everything and is imported by nothing.

The Celery application is made here, so that a task called from a web process finds its broker.
"""

from arena.config.celery import celery_app

__all__ = ["celery_app"]
