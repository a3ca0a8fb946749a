"""Rules of the trainer of judges, run as a process."""
