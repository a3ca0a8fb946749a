"""The worker that brings runs to their end: preparing, following the trainer, storing, judging."""
