"""/metrics: closed unless it is opened, cheap, documented, and without words of players."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from arena.config.celery import celery_app
from arena.config.env import Variables
from arena.credits.verdicts import audit_now
from arena.matches import play
from arena.models import Account, Match, Webhook
from arena.sweep_times import sweep_times, timed
from arena.tests.builders import enter, make_agent, make_match, make_space, make_user
from frontend.tests.builders import settled_match, signed_in
from training.monitoring import collecting
from training.monitoring.collecting import collect, figures, forget
from training.monitoring.play import reason_of
from training.monitoring.site import sweep_every_seconds
from training.tasks import make_room

pytestmark = pytest.mark.django_db
DOCS = Path(__file__).parents[3] / "docs"
TOKEN = "scrape-me"


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("training.monitoring.site._answers", lambda url: True)
    cache.clear()  # when sweeps of earlier tests ran
    forget()
    yield
    forget()


def scraped(settings: Any) -> dict[str, list[Any]]:
    """The samples of each metric, as Prometheus' own parser reads them."""
    settings.ENV = Variables(metrics_token=TOKEN)
    response = Client().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert response.status_code == 200
    found: dict[str, list[Any]] = {}
    for family in text_string_to_metric_families(response.content.decode()):
        assert family.documentation
        counter = "_total" if family.type == "counter" else ""
        found[f"{family.name}{counter}"] = family.samples
    return found


def documented() -> set[str]:
    text = (DOCS / "operating.md").read_text()
    return set(re.findall(r"^\| `(rlfc_\w+)` \| [^|]+ \|", text, re.MULTILINE))


def test_metrics_are_closed_until_an_operator_opens_them(settings: Any) -> None:
    closed = Client().get("/metrics")
    assert closed.status_code == 404
    assert "Set METRICS_TOKEN or METRICS_NETWORKS" in closed.content.decode()
    settings.ENV = Variables(metrics_token=TOKEN)
    for headers in ({}, {"Authorization": "Bearer other"}, {"Authorization": TOKEN}):
        refused = Client().get("/metrics", headers=headers)
        assert (refused.status_code, refused["WWW-Authenticate"]) == (401, "Bearer")
        assert b"rlfc_" not in refused.content


def test_networks_may_read_without_a_token(settings: Any) -> None:
    settings.ENV = Variables(metrics_networks=["10.0.0.0/8", "::1/128"])
    for address, status in (("10.1.2.3", 200), ("192.0.2.1", 401), ("::1", 200), ("", 401)):
        assert Client(REMOTE_ADDR=address).get("/metrics").status_code == status


def test_every_metric_is_documented_and_every_documented_one_is_there(settings: Any) -> None:
    assert set(scraped(settings)) == documented()
    assert len(documented()) > 30


def test_every_panel_of_the_dashboard_asks_for_metrics_that_exist() -> None:
    board = json.loads((DOCS / "examples" / "grafana.json").read_text())
    assert len(board["panels"]) > 20
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in board["panels"]:
        for target in panel["targets"]:
            asked = set(re.findall(r"rlfc_\w+", target["expr"]))
            assert asked, panel["title"]
            assert asked <= documented(), panel["title"]
    shown = json.dumps(board)
    assert {name for name in documented() if name not in shown} == set()


def test_figures_are_those_of_the_rows(settings: Any) -> None:
    settled_match()
    waiting = make_space()
    enter(make_agent(make_user(credits=50)), waiting)
    play.cancel_match(make_match().pk, reason="No round could be judged; every fee was refunded.")
    running = make_match()
    play.start_match(running.pk)
    found = {
        (sample.name, tuple(sample.labels.values())): sample.value
        for samples in scraped(settings).values()
        for sample in samples
    }
    assert found["rlfc_queue_entries", (waiting.slug,)] == 1
    assert found["rlfc_matches_settled_total", ()] == 1
    assert found["rlfc_matches_cancelled_last_hour", ("unjudged",)] == 1
    assert found["rlfc_matches_running", ()] == 1
    assert found["rlfc_matches_claimable", ()] == 1
    assert found["rlfc_judge_votes_last_hour", ("code",)] == 2
    assert found["rlfc_answers_per_second", ()] == pytest.approx(4 / 60)
    assert found["rlfc_tokens_per_second", ()] == pytest.approx(12 / 60)
    assert found["rlfc_ledger_held_credits", ()] == 10
    assert found["rlfc_ledger_escrow_credits", ()] == 20
    assert found["rlfc_inference_server_up", ("0",)] == 1


def test_the_credits_held_are_those_that_people_have_pending() -> None:
    enter(make_agent(make_user(credits=50)), make_space())
    pending = sum(Account.objects.values_list("debits_pending", flat=True))
    assert collect().ledger.held == pending == 10


def test_no_label_holds_words_of_a_player(settings: Any) -> None:
    user = make_user()
    user.username = "Zanzibar"
    user.save()
    agent = make_agent(user)
    agent.name = "Zanzibar the great"
    agent.save()
    Webhook.objects.create(owner=user, url="https://zanzibar.example/", events=[])
    text = str(scraped(settings)).lower()
    assert "zanzibar" not in text
    assert reason_of("Whatever zanzibar says.") == "other"


def test_a_scrape_costs_as_many_queries_after_ten_matches_as_after_one() -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            collect()
        return len(asked)

    settled_match()
    first = queries()
    for _ in range(4):
        settled_match()
    assert queries() == first


def test_many_readers_cost_one_reading(settings: Any) -> None:
    first = figures()
    Match.objects.update(finished_at=timezone.now())
    assert figures() is first
    assert collecting.REMEMBERED_SECONDS <= 15


def test_a_sweep_notes_when_it_ran_and_one_that_fails_does_not() -> None:
    make_room()
    (found,) = sweep_times(["training.tasks.make_room"]).values()
    assert found.seconds >= 0

    @timed("never")
    def fails() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert sweep_times(["never"]) == {}


@pytest.mark.django_db(transaction=True)
def test_an_audit_leaves_its_verdict_for_the_page() -> None:
    account = Account.objects.get_or_create(kind="fees", key="fees")[0]
    audit_now()
    assert collect().ledger.audit_problems == 0
    Account.objects.filter(id=account.pk).update(credits_posted=5)
    audit_now()
    assert collect().ledger.audit_problems > 0


def test_only_the_staff_find_the_page_and_it_says_what_is_wrong(settings: Any) -> None:
    settled_match()
    enter(make_agent(make_user(credits=50)), make_space(slug="who-waits"))
    staff, other = make_user(), make_user()
    staff.is_staff = True
    staff.save()
    assert Client().get("/site/").status_code == 302
    assert signed_in(other.pk).get("/site/").status_code == 404
    page = signed_in(staff.pk).get("/site/")
    assert page["Cache-Control"] == "no-store"
    words = page.content.decode()
    assert "What needs you" in words
    assert "Not done in time" in words
    assert "who-waits" in words


def test_sweeps_are_expected_as_often_as_they_are_sent() -> None:
    entries = celery_app.conf.beat_schedule.values()
    sent = {entry["task"]: entry["schedule"].run_every.total_seconds() for entry in entries}
    assert sent == sweep_every_seconds()
