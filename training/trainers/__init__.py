"""The trainer: a separate process that reads a job's folder and leaves an adapter there."""
