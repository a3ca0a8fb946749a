"""Rules of the trainer, run as a process."""
