"""The trainer: a process of its own that reads a job's folder and leaves an adapter there."""
