"""The ledger is audited once a day, however often somebody looks whether it is due."""

import time

import pytest
from django.core.cache import cache

from arena.credits import verdicts
from arena.credits.verdicts import AUDIT_EVERY_SECONDS, audit_if_due, audit_now, last_verdict
from arena.tasks import audit_ledger

pytestmark = pytest.mark.django_db(transaction=True)

AN_HOUR = 3_600.0


@pytest.fixture(autouse=True)
def _no_audit_yet() -> None:
    cache.delete(verdicts._KEY)


def test_an_audit_is_due_if_none_is_known() -> None:
    audit_ledger()
    assert last_verdict() is not None


@pytest.mark.parametrize(
    ("passed_seconds", "is_due"),
    [
        (AN_HOUR, False),
        (AUDIT_EVERY_SECONDS, True),
        (-AN_HOUR, True),  # the clock was set back since
    ],
)
def test_an_audit_is_due_a_day_after_the_last(
    monkeypatch: pytest.MonkeyPatch, passed_seconds: float, is_due: bool
) -> None:
    audit_now()
    before = last_verdict()
    assert before is not None
    monkeypatch.setattr(time, "time", lambda: before.at + passed_seconds)
    audit_if_due()
    after = last_verdict()
    assert after is not None
    assert (after.at != before.at) == is_due
