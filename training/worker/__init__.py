"""The worker that executes runs: preparing, following the trainer, storing, judging."""
