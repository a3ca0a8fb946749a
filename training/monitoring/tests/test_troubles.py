"""What is wrong is said in a sentence, with what to do; what is well says nothing."""

from dataclasses import replace
from typing import Any

import pytest

from arena.nudges import SWEEP_MATCHES
from training.monitoring.figures import JudgeFigures, SiteFigures, Sweep
from training.monitoring.tests.builders import well
from training.monitoring.troubles import Severity, in_words, troubles


def changed(part: str, **values: Any) -> SiteFigures:
    found = well()
    return replace(found, **{part: replace(getattr(found, part), **values)})


def swept(sweep: Sweep | None) -> SiteFigures:
    found = well()
    return replace(found, sweeps={**found.sweeps, SWEEP_MATCHES: sweep})


def test_a_site_where_all_is_well_needs_nobody() -> None:
    assert troubles(well()) == ()


@pytest.mark.parametrize(
    ("make", "severity", "words"),
    [
        (lambda: swept(None), "broken", "arena.tasks.sweep"),
        (lambda: swept(Sweep(61.0, 0.1)), "broken", "arena.tasks.sweep"),
        (lambda: changed("matches", claimable_oldest_seconds=300.0), "broken", "for 5 minutes"),
        (lambda: changed("machine", servers=(False,)), "broken", "number 1 of VLLM_URL"),
        (lambda: changed("machine", servers=(True, False)), "watch", "number 2 of VLLM_URL"),
        (lambda: changed("matches", cancelled={"unjudged": 30}), "watch", "unjudged"),
        (lambda: changed("training", oldest_queued_seconds=9e3), "watch", "waited for 2 hours"),
        (lambda: changed("judges", quarantined=("coin",)), "watch", "Quarantined: coin"),
        (lambda: changed("judges", by_slug={"a": JudgeFigures(2, 6)}), "watch", "6 of its last 8"),
        (lambda: changed("judges", costs={"gpu": 9.5}), "watch", "9.50 of its 10.00"),
        (lambda: changed("ledger", audit_problems=2), "broken", "found: 2"),
        (lambda: changed("ledger", audit_age_seconds=3e5), "watch", "3 days ago"),
        (lambda: changed("webhooks", oldest_due_seconds=400.0), "watch", "7 minutes late"),
        (lambda: changed("machine", max_connections=4), "watch", "4 of the database's 4"),
        (lambda: changed("machine", disk_free_bytes=900_000_000), "broken", "0.9 GB"),
    ],
)
def test_each_trouble_has_its_sentence(make: Any, severity: str, words: str) -> None:
    (found,) = troubles(make())
    assert found.severity == severity
    assert words in found.what
    assert found.remedy.endswith(".")


def test_the_worst_comes_first() -> None:
    found = replace(
        changed("judges", quarantined=("coin",)),
        ledger=replace(well().ledger, audit_problems=1),
    )
    assert [one.severity for one in troubles(found)] == [Severity.BROKEN, Severity.WATCH]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 seconds"),
        (119, "119 seconds"),
        (120, "2 minutes"),
        (7200, "2 hours"),
        (2e5, "2 days"),
    ],
)
def test_lengths_of_time_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
