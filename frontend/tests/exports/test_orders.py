"""Exports on the pages of who ordered them: built from the builder, followed, fetched, tried again."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from agents.models import Agent
from frontend.tests.api.calling import Program
from training.exports.links import LINKS_LAST
from training.exports.tests.orders import learner, order, written
from training.exports.writing import NOTHING
from training.models import Export, Pair
from training.states import ExportState

pytestmark = pytest.mark.django_db(transaction=True)

BUILD = re.compile(r'formaction="(/exports/build/[^"]+)"')
FILE = re.compile(r'href="(/exports/files/[^"]+/dataset\.tar)"')


@pytest.fixture
def agent(client: Client, settings: Any, tmp_path: Path) -> Agent:
    """With three pairs, and signed in."""
    settings.EXPORT_STORE = tmp_path / "exports"
    agent = learner()
    client.force_login(agent.owner)
    return agent


def shown(response: HttpResponse | Any) -> str:
    return str(response.content.decode())


def build(client: Client, **filters: str) -> Any:
    (path,) = BUILD.findall(shown(client.get("/exports/", filters)))
    return client.post(path, filters)


def test_what_the_builder_shows_is_ordered_once_and_followed_to_its_files(
    client: Client, agent: Agent
) -> None:
    (path,) = BUILD.findall(shown(client.get("/exports/?least_margin=0.5")))
    given = {"least_margin": "0.5", "container": "jsonl"}
    first, again = (client.post(path, given) for _ in range(2))
    export = Export.objects.get()
    assert first["Location"] == again["Location"] == f"/exports/{export.pk}/"
    assert (export.selection["least_margin"], export.container) == (0.5, "jsonl")
    page = shown(client.get(f"/exports/{export.pk}/"))
    assert "Exports are written one after the other." in page
    assert "hx-trigger" in page
    for address in ("/exports/", "/exports/own/"):
        listed = shown(client.get(address))
        assert f"Export {export.pk}" in listed
        assert 'hx-get="/exports/own/' in listed
    written(export)
    assert 'hx-get="/exports/own/' not in shown(client.get("/exports/own/"))
    part = shown(client.get(f"/exports/{export.pk}/", headers={"HX-Request": "true"}))
    assert "<html" not in part
    assert "hx-trigger" not in part, "what is ready is not asked for again"
    (link,) = FILE.findall(part)
    assert Client().get(link).status_code == 200
    page = shown(client.get(f"/exports/{export.pk}/"))
    assert "Least margin" in page
    (address,) = re.findall(r'href="(/exports/\?[^"]+)"', page)
    assert 'value="0.5"' in shown(client.get(address.replace("&amp;", "&")))


def test_a_wrong_filter_leads_back_to_the_builder_with_every_filter(
    client: Client, agent: Agent
) -> None:
    back = client.post(
        "/exports/build/0f8fad5b-d9cb-469f-a165-70867728950e/",
        {"least_margin": "2", "since": "2026-01-01", "csrfmiddlewaretoken": "x"},
    )
    assert back["Location"] == "/exports/?least_margin=2&since=2026-01-01"
    assert "Choose a number from 0 to 1." in shown(client.get(back["Location"]))
    assert not Export.objects.exists()


def test_a_refused_order_says_why_on_the_builder(client: Client, agent: Agent) -> None:
    for _ in range(3):
        order(agent)
    back = build(client)
    assert "not ready yet" in shown(client.get(back["Location"]))


def test_a_failed_export_says_why_and_is_tried_again(client: Client, agent: Agent) -> None:
    pairs = list(Pair.objects.all())
    Pair.objects.all().delete()
    export = written(order(agent))
    for path in (f"/exports/{export.pk}/", "/exports/", "/exports/own/"):
        assert NOTHING in shown(client.get(path)), path
    assert "Try again" in shown(client.get(f"/exports/{export.pk}/"))
    Pair.objects.bulk_create(pairs)
    again = client.post(f"/exports/{export.pk}/repeat/")
    assert again["Location"] == f"/exports/{export.pk}/"
    assert written(export).state == ExportState.WHOLE
    assert Program(agent.owner_id).post(f"/exports/{export.pk}/repeat").status_code == 409


def test_links_end_and_the_page_makes_new_ones(
    client: Client, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = written(order(agent))
    page = f"/exports/{export.pk}/"
    (old,) = FILE.findall(shown(client.get(page)))
    later = timezone.now() + LINKS_LAST + timedelta(minutes=1)
    for module in ("links", "listing"):
        monkeypatch.setattr(f"training.exports.{module}.timezone.now", lambda: later)
    assert client.get(old).status_code == 404
    (new,) = FILE.findall(shown(client.get(page)))
    assert client.get(new).status_code == 200


def test_an_export_is_cancelled_or_deleted(client: Client, agent: Agent) -> None:
    waiting, whole = order(agent), order(agent)
    assert ">Cancel</button>" in shown(client.get(f"/exports/{waiting.pk}/"))
    client.post(f"/exports/{waiting.pk}/delete/")
    written(whole)
    assert ">Delete</button>" in shown(client.get(f"/exports/{whole.pk}/"))
    (link,) = FILE.findall(shown(client.get(f"/exports/{whole.pk}/")))
    client.post(f"/exports/{whole.pk}/delete/")
    assert client.get(link).status_code == 404
    assert not Export.objects.exists()


def test_programs_learn_what_a_selection_comes_to_before_they_order(agent: Agent) -> None:
    program = Program(agent.owner_id)
    told = program.post("/exports/summary", {"selection": {"least_margin": 0.5}}).json()
    assert (told["count"], len(told["preview"]), told["is_estimate"]) == (3, 3, False)
    assert sum(one["count"] for one in told["margins"]) == 3
    wrong = program.post("/exports/summary", {"selection": {"agents": [agent.pk + 10_000]}})
    assert wrong.status_code == 422
