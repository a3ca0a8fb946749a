"""Every route that the benchmark measures is still there, and so is the read beside it."""

import pytest
from django.conf import settings
from django.test import override_settings

from benchmarks import api
from benchmarks.pages.history import write_history
from frontend.api import edge

# The history chooses its ids: none may be taken.
pytestmark = pytest.mark.django_db(transaction=True, reset_sequences=True)


def test_every_route_and_its_bare_view_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "REQUESTS_WITH_TOKEN", 0)  # which the benchmark sets: put back after
    write_history(100)
    with override_settings(ROOT_URLCONF=settings.ROOT_URLCONF):
        for route, bare in api.asked(100).values():
            route()  # asserts status 200
            bare()


def test_a_ratio_has_an_interval_around_it() -> None:
    seconds = [place / 1000 for place in range(1, 61)]
    ratio, low, high = api.Measured(api=[2 * each for each in seconds], bare=seconds).ratio()
    assert ratio == pytest.approx(2)
    assert low <= ratio <= high
