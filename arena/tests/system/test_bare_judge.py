"""The plain base model as a judge, asked by the real server until it is quarantined."""

from random import Random
from typing import Any

import pytest
from django.test import Client

from arena.panels.gold.asking import ask_due_gold
from arena.seeding import seed
from arena.tests.system.product import Product
from judges.calibration.figures import MIN_ITEMS
from judges.calibration.heard import GoldOutcome
from judges.calibration.records import needs_more
from judges.models import Judge

pytestmark = [pytest.mark.vllm, pytest.mark.django_db(transaction=True)]

SWEEPS = 60  # of at most 90 seconds each: enough on a slow machine


def test_the_bare_base_model_cannot_judge_and_is_seen_to_be_quarantined(
    product: Product, client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = product.environ_of_another
    settings.VLLM_URLS = environ["VLLM_URL"].split(",")
    settings.VLLM_API_KEY = environ.get("VLLM_API_KEY", "")
    monkeypatch.setattr(settings.ENV, "gold_a_day", 12)
    seed()
    Judge.objects.exclude(slug="bare-reader").update(quarantined_at="2026-11-01T00:00Z")
    reader = Judge.objects.get(slug="bare-reader")
    for number in range(SWEEPS):
        ask_due_gold(rng=Random(number))
        if not needs_more(reader):
            break
    outcomes = set(reader.gold_answers.values_list("outcome", flat=True))
    assert GoldOutcome.AWAY not in outcomes, "the server answered all along"
    reader.refresh_from_db()
    assert reader.quarantined_at is not None
    (quarantine,) = reader.quarantines.all()
    assert quarantine.items >= MIN_ITEMS
    assert quarantine.kappa_high < settings.ENV.judge_floor
    page = client.get("/judges/bare-reader/").text
    assert "Quarantined" in page
    assert quarantine.reason in page
