"""Trainers in tests: one thread each for what a test computes itself."""

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Products this small gain nothing from a second thread, and wait for it where cores are busy."""
    torch.set_num_threads(1)
