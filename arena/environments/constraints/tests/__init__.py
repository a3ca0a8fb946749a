"""Rules of tasks with constraints."""
