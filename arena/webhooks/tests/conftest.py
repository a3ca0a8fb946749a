"""A receiver for tests."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from arena.webhooks.tests.builders import Receiver, allow


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    receiver = Receiver()
    allow(settings, receiver)
    yield receiver
    receiver.web.close()
