"""Rules of the worker and of following a trainer."""
